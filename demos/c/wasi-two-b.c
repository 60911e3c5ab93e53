/* The other half of a pair in one host: it holds entropy, and no console. It reports its result by its exit
 * status: 0 if it got random bytes and was refused the console. */
#include <errno.h>
#include <unistd.h>

int main(void) {
    unsigned char bytes[32] = {0};
    unsigned sum = 0;
    if (getentropy(bytes, sizeof bytes) != 0)
        return 1;
    for (unsigned i = 0; i < sizeof bytes; i++)
        sum += bytes[i];
    if (sum == 0)
        return 2;
    if (write(STDOUT_FILENO, "b: wrote to a console that nobody granted\n", 42) != -1)
        return 3;
    return errno == EBADF ? 0 : 4;
}
