#!/bin/sh
# Shows that the model would notice: one line of the channel or of the task group at a time is spoilt,
# in a copy, and the scenario named for it must fail. By hand, or by ctest:
#
#     sh tests/model/mutate.sh
#
# A substitution that changes more or fewer lines than it should is an error: the code has moved on.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/mutate.XXXXXX")
trap 'rm -rf "$work"' EXIT
compiler=${CC:-cc}
flags="-std=c17 -O1 -D_GNU_SOURCE -w -I$root/include -I$root/tests/model"
failures=0

for source in tests/model/explore tests/model/race tests/model/model_channel tests/model/model_task_group \
    daemon/base/error; do
    # shellcheck disable=SC2086 # a list of words
    $compiler $flags -c "$root/$source.c" -o "$work/$(basename "$source").o"
done

# mutant <what is spoilt> <scenario> <channel or task_group> <lines that change> <sed script>
mutant() {
    source=$root/daemon/runtime/$3.c
    sed "$5" "$source" >"$work/mutant.c"
    changed=$(diff "$source" "$work/mutant.c" | grep -c '^[<>]' || true)
    if [ "$changed" != "$4" ]; then
        echo "mutate.sh: the substitution for '$1' makes $changed lines of difference in $3.c, not $4" >&2
        exit 1
    fi
    # shellcheck disable=SC2086 # a list of words
    $compiler $flags -fsanitize=thread -include "$root/tests/model/shim.h" -c "$work/mutant.c" -o "$work/mutant.o"
    $compiler -o "$work/mutant" "$work/model_$3.o" "$work/explore.o" "$work/race.o" "$work/error.o" "$work/mutant.o"
    status=0
    timeout 60 "$work/mutant" "$2" >"$work/output" 2>&1 || status=$?
    reason=$(sed -n 's/^FAILED [^:]*: //p' "$work/output")
    by=seen
    if [ "$status" != 1 ] || [ -z "$reason" ]; then
        by='NOT SEEN'
        failures=$((failures + 1))
    fi
    printf '%-8s  %-48s %s\n' "$by" "$1" "$reason"
}

mutant "a take signals nobody" two_that_wait_through_one channel 1 \
    '/^size_t channel_receive/,/^}/ { /pthread_cond_broadcast/d }'
mutant "a waiting sender is not counted" two_that_wait_through_one channel 2 \
    '/channel->waiting[+-][+-];/d'
mutant "an awakened sender doesn't look again" two_that_wait_through_one channel 2 \
    's/while (!channel->closed/if (!channel->closed/'
mutant "the first message wakes nobody" two_that_wait_through_two channel 2 \
    's/return channel->count++ == 0;/return channel->count++ == 1;/'
mutant "a full channel is not rung before waiting" one_that_rings_through_one channel 2 \
    '/^enum channel_result channel_post_wait/,/^}/ s/channel_wake(channel);/(void)0;/'
mutant "ringing wakes nobody" one_that_rings_for_three channel 2 \
    '/^void channel_ring/,/^}/ s/channel->count > 0/channel->count > 9/'
mutant "closing wakes one sender only" closed_while_nobody_receives channel 2 \
    '/^void channel_close/,/^}/ s/cond_broadcast/cond_signal/'
mutant "closing wakes no sender" closed_while_nobody_receives channel 1 \
    '/^void channel_close/,/^}/ { /pthread_cond_broadcast/d }'
mutant "closing doesn't wake the receiver" closed_while_two_wait channel 2 \
    '/^void channel_close/,/^}/ s/channel_wake(channel);/(void)0;/'
mutant "a sender that waited forgets that it was closed" closed_while_two_wait channel 2 \
    '/^static enum channel_result channel_put_waiting/,/^}/ s/^    if (!channel->closed)/    if (true)/'
mutant "drained with something inside" closed_while_two_try channel 2 \
    's/channel->closed && channel->count == 0/channel->closed/'
mutant "the ring forgets its beginning" two_that_wait_through_two channel 2 \
    's/\[(channel->first + channel->count) %/[channel->count %/'
mutant "taking without the lock" two_that_try channel 2 \
    '/^size_t channel_receive/,/^}/ { /pthread_mutex_/d }'
mutant "sending without the lock" two_that_try channel 2 \
    '/^static enum channel_result channel_try(/,/^}/ { /pthread_mutex_/d }'
mutant "closing without the lock" closed_while_two_try channel 2 \
    '/^void channel_close/,/^}/ { /pthread_mutex_/d }'
mutant "empty is looked up after the lock was let go" two_that_try channel 2 \
    '/^enum channel_result channel_send(/,/^}/ s/if (was_empty)/if (channel->count == 1)/'
mutant "woken under the lock it needs" two_that_try channel 2 \
    's/^    return channel->count++ == 0;/    channel->count++; channel_drained(channel); return true;/'

mutant "a failure wakes nobody" two_live_as_they_like task_group 2 \
    '/^static void task_group_fail/,/^}/ { /if (first)$/d; /group->changed/d }'
mutant "the last ready task wakes nobody" two_live_as_they_like task_group 2 \
    '/^void task_ready/,/^}/ { /^    if (all)$/d; /group->changed/d }'
mutant "a later failure replaces the first" two_live_as_they_like task_group 2 \
    's/bool first = group->state != TASK_GROUP_FAILED;/bool first = true;/'
mutant "running although one has failed" two_live_as_they_like task_group 2 \
    's/ && group->state == TASK_GROUP_STARTING//'
mutant "one ready task too few" two_live_as_they_like task_group 2 \
    's/++group->ready == group->count/group->ready++ == group->count/'
mutant "stopped in the order of adding" stopped_while_starting task_group 2 \
    '/^void task_group_stop(/,/^}/ s/for (int i = group->count - 1; i >= 0; i--)/for (int i = 0; i < group->count; i++)/'
mutant "nobody waits for a task's end" stopped_while_starting task_group 1 \
    '/pthread_join/d'
mutant "a stopped task is stopped again" stopped_by_name task_group 1 \
    '/^static void task_stop/,/^}/ { /task->started = false;/d }'
mutant "a refused thread is no failure" some_are_refused task_group 1 \
    '/^int task_group_start/,/^}/ { /task_group_fail(group, error);/d }'
mutant "ready without the lock" two_live_as_they_like task_group 2 \
    '/^void task_ready/,/^}/ { /pthread_mutex_/d }'
mutant "failing without the lock" two_live_as_they_like task_group 2 \
    '/^static void task_group_fail/,/^}/ { /pthread_mutex_/d }'
mutant "the state is read without the lock" two_live_as_they_like task_group 2 \
    '/^enum task_group_state task_group_state/,/^}/ { /pthread_mutex_/d }'

if [ "$failures" -gt 0 ]; then
    echo "mutate.sh: $failures faults go unnoticed" >&2
    exit 1
fi
