/* What SQLite's shell expects of its system and WASI does not have: calls that fail, as they may. */
#include <errno.h>
#include <sys/types.h>

int chmod(const char *path, mode_t mode) {
    (void)path, (void)mode;
    errno = ENOSYS;
    return -1;
}

int system(const char *command) {
    errno = ENOSYS;
    return command ? -1 : 0;
}
