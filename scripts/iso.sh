#!/usr/bin/env bash
# iso.sh KERNEL PACKAGE OUTPUT: a disc image on which GRUB, started by BIOS or by UEFI, boots the kernel with
# that boot package.
set -euo pipefail
kernel=$1 package=$2 output=$3
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

mkdir -p "$tree/boot/grub"
cp "$kernel" "$tree/boot/capos-kernel"
cp "$package" "$tree/boot/package"
cat >"$tree/boot/grub/grub.cfg" <<'END'
serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
multiboot2 /boot/capos-kernel
module2 /boot/package package
# The host command shows a guest's output from after this line on.
echo "capos: starting the kernel"
boot
END
grub-mkrescue -o "$output" "$tree" >"$output.log" 2>&1 || {
    tail -n 10 "$output.log" >&2
    exit 1
}
