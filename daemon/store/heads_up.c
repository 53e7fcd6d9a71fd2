#include "outhook/store/heads_up.h"

enum {
    QUIET_US = 3000,
    PUT_OFF_MIN_US = 3000,
    PUT_OFF_MAX_US = 1000000,
};

void heads_up_own_write(struct heads_up *heads_up, int64_t now_us) {
    heads_up->sign_at_us = now_us;
}

bool heads_up_due(struct heads_up *heads_up, int64_t now_us) {
    bool quiet = now_us >= heads_up->sign_at_us + QUIET_US;
    heads_up->sign_at_us = now_us;
    if (!quiet || now_us < heads_up->not_before_us)
        return false;
    if (heads_up->put_off_us < PUT_OFF_MIN_US)
        heads_up->put_off_us = PUT_OFF_MIN_US;
    heads_up->not_before_us = now_us + heads_up->put_off_us;
    heads_up->put_off_us *= 2;
    if (heads_up->put_off_us > PUT_OFF_MAX_US)
        heads_up->put_off_us = PUT_OFF_MAX_US;
    return true;
}

void heads_up_right(struct heads_up *heads_up) {
    heads_up->put_off_us = heads_up->not_before_us = 0;
}
