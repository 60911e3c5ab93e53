/* Looks for directories without having any, and expects to find none: by the functions of WASI, for every
 * descriptor that a program could try, and then as a C program does. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

/* Number of descriptors to try, from the first possible preopened directory. */
enum { FIRST = 3, LAST = 1100 };

int main(void) {
    __wasi_prestat_t prestat;
    __wasi_fd_t opened;
    __wasi_filestat_t attributes;
    int found = 0;
    for (__wasi_fd_t fd = FIRST; fd <= LAST; fd++) {
        found += __wasi_fd_prestat_get(fd, &prestat) != __WASI_ERRNO_BADF;
        found += __wasi_path_open(fd, 0, ".", __WASI_OFLAGS_DIRECTORY, 0, 0, 0, &opened) != __WASI_ERRNO_BADF;
        found += __wasi_path_filestat_get(fd, 0, "/", &attributes) != __WASI_ERRNO_BADF;
    }
    printf("descriptors from %d to %d: %d answered\n", FIRST, LAST, found);

    /* The standard streams are not directories. */
    for (__wasi_fd_t fd = 0; fd < FIRST; fd++)
        printf("open below descriptor %d: errno %d\n", fd, __wasi_path_open(fd, 0, "x", 0, 0, 0, 0, &opened));

    /* The C library finds no preopened directory. */
    struct stat status;
    found += open("/data/file", O_RDONLY) >= 0;
    printf("open: errno %d\n", errno);
    found += mkdir("here", 0700) == 0;
    printf("mkdir: errno %d\n", errno);
    found += stat("/", &status) == 0;
    printf("stat: errno %d\n", errno);
    return found;
}
