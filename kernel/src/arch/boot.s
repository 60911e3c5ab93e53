// Entry from the boot loader: 32-bit protected mode without paging, by PVH (QEMU -kernel) or Multiboot2
// (GRUB). Builds boot page tables that map the first 4 GiB at 0 and at the direct map, and the first 1 GiB
// at KERNEL_BASE, and continues in 64-bit mode at `start64`.

.set PRESENT_WRITE, 0x3
.set PRESENT_WRITE_HUGE, 0x83

.section .note.Xen, "a", @note
.balign 4
.long 4, 8, 18              // name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY
.asciz "Xen"
.quad pvh_start

.section .boot.multiboot2, "a"
.balign 8
multiboot_header:
.long 0xe85250d6, 0, multiboot_header_end - multiboot_header
.long -(0xe85250d6 + (multiboot_header_end - multiboot_header))
.balign 8
.short 3, 0                 // entry address
.long 12, multiboot_start
.balign 8
.short 6, 0                 // modules begin on page boundaries
.long 8
.balign 8
.short 4, 1                 // the VGA's text mode will do
.long 12, 2
.balign 8
.short 5, 1                 // so will a picture of any size
.long 20, 0, 0, 0
.balign 8
.short 0, 0                 // end
.long 8
multiboot_header_end:

.section .boot.text, "ax"
.code32
.global pvh_start
pvh_start:
    mov edi, 1
    jmp start32
.global multiboot_start
multiboot_start:
    mov edi, 2
start32:
    cli
    cld
    mov esi, ebx
    mov esp, offset kernel_stack_top_phys

    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb unsupported
    mov eax, 0x80000001
    cpuid
    bt edx, 29              // long mode
    jnc unsupported
    bt edx, 20              // no-execute
    jnc unsupported
    mov ebx, esi

    // Layout of boot_tables: PML4, low PDPT, high PDPT, four page directories.
    mov edx, offset boot_tables_phys
    lea eax, [edx + 0x1000 + PRESENT_WRITE]
    mov [edx], eax
    mov [edx + 256 * 8], eax
    lea eax, [edx + 0x2000 + PRESENT_WRITE]
    mov [edx + 511 * 8], eax
    lea eax, [edx + 0x3000 + PRESENT_WRITE]
    mov [edx + 0x1000], eax
    mov [edx + 0x2000 + 510 * 8], eax
    add eax, 0x1000
    mov [edx + 0x1000 + 8], eax
    add eax, 0x1000
    mov [edx + 0x1000 + 16], eax
    add eax, 0x1000
    mov [edx + 0x1000 + 24], eax
    lea ecx, [edx + 0x3000]
    mov eax, PRESENT_WRITE_HUGE
2:  mov [ecx], eax
    add ecx, 8
    add eax, 0x200000
    jnc 2b

    mov cr3, edx
    mov eax, cr4
    or eax, 0x20            // PAE
    mov cr4, eax
    mov ecx, 0xc0000080     // EFER
    rdmsr
    or eax, 0x900           // LME, NXE
    wrmsr
    mov eax, cr0
    or eax, 0x80010000      // PG, WP
    and eax, 0x9fffffff     // caches on
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    mov eax, offset start_long
    push 8
    push eax
    retf

// Tells it on the screen, in the VGA's text mode, and on both serial ports: at the first a person may look, the second is
// the log.
unsupported:
    mov edi, 0xb8000
    mov ecx, 80 * 25
    mov eax, 0x0720
    rep stosw
    mov edi, 0xb8000
    mov esi, offset unsupported_text
3:  lodsb
    test al, al
    jz 4f
    mov ah, 0x07
    stosw
    mov dx, 0x3f8
    out dx, al
    mov dx, 0x2f8
    out dx, al
    jmp 3b
4:  mov al, 10
    out dx, al
    mov dx, 0x3f8
    out dx, al
    mov dx, 0xf4
    mov eax, 0x20
    out dx, eax
5:  hlt
    jmp 5b

unsupported_text:
.asciz "capOS cannot start: it needs a 64-bit processor with no-execute pages. QEMU: add `-cpu max`."

.balign 8
boot_gdt:
.quad 0
.quad 0x00af9b000000ffff
.quad 0x00cf93000000ffff
boot_gdt_pointer:
.short 23
.long boot_gdt

.code64
start_long:
    movabs rax, offset start64
    jmp rax

.text
start64:
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
    lea rsp, [rip + kernel_stack_top]
    mov edi, edi
    mov esi, ebx
    rdtsc
    shl rdx, 32
    or rdx, rax
    xor ebp, ebp
    push rbp                // ends stack walks
    push rbp
    call kernel_entry
    ud2
