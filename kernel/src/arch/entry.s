// Entry into the kernel and return from it. The saved state of the running thread is its UserContext
// (context.rs): GS leads to PerCpu (percpu.rs), which holds its address, and the TSS makes the processor push
// interrupt frames straight into it. Every handler returns in RAX the context to resume, 0 to idle, 1 to go on with
// work that the current thread has left in the kernel, or 2 to look at its alarm.

.section .text.entry, "ax"

.macro enter_by_syscall handler
    swapgs
    mov r8, rsp
    mov rsp, gs:[{context}]
    mov [rsp + {c_rip}], rcx
    mov [rsp + {c_rflags}], r11
    mov [rsp + {c_rbx}], rbx
    mov [rsp + {c_rbp}], rbp
    mov [rsp + {c_r12}], r12
    mov [rsp + {c_r13}], r13
    mov [rsp + {c_r14}], r14
    mov [rsp + {c_r15}], r15
    mov [rsp + {c_rsp}], r8
    mov dword ptr [rsp + {c_vector}], {syscall_vector}
    mov rsp, gs:[{stack}]
    mov rcx, rax
    call \handler
.endm

// Where SYSCALL leads when the kernel measures itself.
.global measured_syscall_entry
.balign 16
measured_syscall_entry:
    enter_by_syscall handle_measured_syscall
    jmp resume

.global syscall_entry
.balign 16
syscall_entry:
    enter_by_syscall handle_syscall

// Not aligned: the way here leads through what would fill the space.
resume:
    cmp rax, 2
    jbe no_context
    mov rsp, rax
    cmp dword ptr [rsp + {c_vector}], {syscall_vector}
    jne 1f
    // Return from a system call. RCX cannot be non-canonical: SYSCALL put it there from an address below USER_END.
    mov rbx, [rsp + {c_rbx}]
    mov rbp, [rsp + {c_rbp}]
    mov r12, [rsp + {c_r12}]
    mov r13, [rsp + {c_r13}]
    mov r14, [rsp + {c_r14}]
    mov r15, [rsp + {c_r15}]
    mov rax, [rsp + {c_rax}]
    mov rcx, [rsp + {c_rip}]
    mov r11, [rsp + {c_rflags}]
    mov rsp, [rsp + {c_rsp}]
    xor edx, edx
    xor esi, esi
    xor edi, edi
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    swapgs
    sysretq
1:  pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16
    swapgs
    iretq

// Leaves the boot code. RDI: what to resume.
.global resume_first
resume_first:
    mov rax, rdi
    jmp resume

no_context:
    mov rsp, gs:[{stack}]
    je alarm
    xor ebp, ebp
    test eax, eax
    jnz work
    // Nothing is ready: wait with interrupts on. The interrupt abandons this loop (label 3).
2:  sti
    hlt
    cli
    jmp 2b

// Lets in an interrupt that is due, which abandons this, then takes the next step. STI holds interrupts back until after
// the instruction that follows it.
work:
    sti
    nop
    cli
    call handle_work
    jmp resume

alarm:
    xor ebp, ebp
    call handle_alarm
    jmp resume

.balign 16
interrupt_common:
    test byte ptr [rsp + 24], 3
    jz 3f
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    swapgs
    clac
    cld
    mov rdi, rsp
    mov rsp, gs:[{stack}]
    xor ebp, ebp
    call handle_interrupt
    jmp resume

3:  cmp dword ptr [rsp], 32
    jb fatal_common
    mov edi, [rsp]
    mov rsp, gs:[{stack}]
    cld
    xor ebp, ebp
    call handle_idle_interrupt
    jmp resume

// A fault in the kernel, a non-maskable interrupt, or the like: there is no way back.
fatal_common:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    mov rdi, rsp
    and rsp, -16
    call handle_fatal
    ud2

// One 16-byte stub for each vector.
.global interrupt_stubs
.balign 16
interrupt_stubs:
.set vector, 0
.rept 256
.balign 16
// 8, 10 to 14, 17, 21, 29 and 30 push an error code.
.if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
.else
    .byte 0x6a, 0
.endif
    .byte 0x68
    .long vector
.if (vector == 2) || (vector == 8) || (vector == 18)
    jmp fatal_common
.else
    jmp interrupt_common
.endif
.set vector, vector + 1
.endr
