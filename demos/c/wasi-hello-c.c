/* Prints one line on the granted console. */
#include <stdio.h>

int main(void) {
    puts("Hello from WASI on capOS");
    return 0;
}
