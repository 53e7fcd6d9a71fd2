#include "outhook/http/flood.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

enum {
    TURNS_BEFORE = 24,       /* a usual call has fewer; one of libcurl's turns reads up to 400 kB */
    FRAMING_BYTES = 2 << 20, /* headers (libcurl takes 300 kB of them), and TLS */
};

/* What the connection has received so far; 0 when that can't be told. */
static uint64_t socket_received_bytes(curl_socket_t socket) {
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    if (socket == CURL_SOCKET_BAD || getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) ||
        size < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received)
        return 0;
    return info.tcpi_bytes_received;
}

bool flood_found(struct flood *flood, curl_socket_t socket, int64_t body_bytes) {
    if (++flood->turns < TURNS_BEFORE)
        return false;
    uint64_t bytes = socket_received_bytes(socket);
    if (flood->turns == TURNS_BEFORE || bytes < flood->before_bytes)
        flood->before_bytes = bytes;
    /* Chunks of a single byte are six on the wire. */
    return bytes - flood->before_bytes > FRAMING_BYTES + 6 * (uint64_t)body_bytes;
}
