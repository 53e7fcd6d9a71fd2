#include "outhook/service/pulse.h"

void pulse_init(struct pulse *pulse, uv_loop_t *loop, int fd) {
    *pulse = (struct pulse){.loop = loop, .fd = fd, .told = -1};
    pulse->write.data = pulse;
}

/* A full disk, or one that can't be written, leaves it out. */
static void pulse_on_written(uv_fs_t *write) {
    struct pulse *pulse = write->data;
    uv_fs_req_cleanup(write);
    pulse->writing = false;
}

void pulse_tell(struct pulse *pulse, int in_flight) {
    if (pulse->writing || in_flight == pulse->told)
        return;
    store_lock_text(pulse->text, in_flight);
    uv_buf_t buffer = uv_buf_init(pulse->text, STORE_LOCK_TEXT_BYTES);
    pulse->writing =
        uv_fs_write(pulse->loop, &pulse->write, pulse->fd, &buffer, 1, 0, pulse_on_written) == 0;
    pulse->told = in_flight;
}
