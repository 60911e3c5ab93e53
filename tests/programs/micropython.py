# Run by MicroPython on capOS: prints, computes, catches errors, reads and writes files in its folder.
import json
import os
import sys


def collatz(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


print("Hello from", sys.implementation.name, "on capOS")
print("2**200 =", 2**200)
print("longest:", max((collatz(n), n) for n in range(1, 2000)))
try:
    {}["missing"]
except KeyError as error:
    print("caught", repr(error))

with open("/work/input.txt") as file:
    words = file.read().split()
print("words:", len(words))
counts = {}
for word in words:
    counts[word] = counts.get(word, 0) + 1
os.mkdir("/work/out")
with open("/work/out/counts.json", "w") as file:
    json.dump(sorted(counts.items()), file)
os.rename("/work/out/counts.json", "/work/out/result.json")
print("files:", sorted(os.listdir("/work")))
try:
    open("/etc/passwd")
except OSError as error:
    print("elsewhere: OSError", error.errno)
