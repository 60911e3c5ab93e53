// The entry of the fault handler, and the frame of a guest that was interrupted. Both keep the vector registers, which the
// machine state that the kernel hands over does not contain. Intel syntax.

// Stores the vector registers in a new area below RSP, which is aligned afterwards. Clobbers RAX, RDX.
.macro save_vectors
    sub rsp, [rip + {vector_bytes}]
    and rsp, -64
    cmp byte ptr [rip + {has_xsave}], 0
    je 2f
    // The header, of which XSAVE writes the first word only.
    xor eax, eax
    mov [rsp + 512], rax
    mov [rsp + 520], rax
    mov [rsp + 528], rax
    mov [rsp + 536], rax
    mov [rsp + 544], rax
    mov [rsp + 552], rax
    mov [rsp + 560], rax
    mov [rsp + 568], rax
    mov eax, -1
    mov edx, -1
    xsave64 [rsp]
    jmp 3f
2:
    fxsave64 [rsp]
3:
.endm

// Loads them again. Clobbers RAX, RDX.
.macro load_vectors
    cmp byte ptr [rip + {has_xsave}], 0
    je 2f
    mov eax, -1
    mov edx, -1
    xrstor64 [rsp]
    jmp 3f
2:
    fxrstor64 [rsp]
3:
.endm

// RDI: the machine state. All its registers are saved there.
.global capos_fault_entry
capos_fault_entry:
    cld
    mov rbx, rdi
    save_vectors
    mov rdi, rbx
    call {handle}
    load_vectors
    mov rdi, rbx
    mov eax, {fault_return}
    syscall
    ud2

// Continues an interrupted guest later. On the guest's stack: where it was interrupted, then {skipped} bytes that may be
// in use below its stack pointer.
.global capos_interrupted
capos_interrupted:
    pushfq
    cld
    push rax
    push rcx
    push rdx
    push rbx
    push rbp
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    mov rbx, rsp
    save_vectors
    call {suspend}
    load_vectors
    mov rsp, rbx
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rbp
    pop rbx
    pop rdx
    pop rcx
    pop rax
    popfq
    ret {skipped}
