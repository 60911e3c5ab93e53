/* Asks for both clocks and for a sleep without having been granted any, and expects to be refused each time. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Prints how a call ended; returns 1 when it was not refused. */
static int refused(const char *what, int result) {
    if (result == 0) {
        printf("%s: not refused\n", what);
        return 1;
    }
    printf("%s: refused with errno %d\n", what, errno);
    return 0;
}

int main(void) {
    struct timespec now;
    const struct timespec nap = {.tv_nsec = 1000000};
    int granted = 0;
    granted += refused("monotonic clock", clock_gettime(CLOCK_MONOTONIC, &now));
    granted += refused("real time", clock_gettime(CLOCK_REALTIME, &now));
    granted += refused("sleep", nanosleep(&nap, NULL));
    return granted;
}
