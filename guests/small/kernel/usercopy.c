// Between the kernel and the memory of the current process.
//
// Each page is first made accessible as if the process itself had touched it; then it is copied at
// its user address with sstatus.SUM set. No fault can come in between: only kernel code could take
// the page away, and this hart holds the kernel's lock.
#include "kernel.h"

static int prepare(struct mm *mm, va_t va, enum access why) {
    pte_t *slot = va < user_top() ? table_find(mm->root, va) : NULL;
    u64 need = PTE_V | PTE_U | PTE_A | (why == STORE ? PTE_W | PTE_D : PTE_R);
    if (slot && (*slot & need) == need) return 0;
    return mm_fault(mm, va, why);
}

// One run of bytes within a page; `to_user` tells the direction.
static int copy(char *kernel, va_t user, u64 n, int to_user) {
    while (n) {
        u64 part = min(n, PAGE - user % PAGE);
        int error = prepare(this_proc()->mm, user, to_user ? STORE : LOAD);
        if (error) return error;
        csr_set(sstatus, SSTATUS_SUM);
        if (to_user) memcpy((void *)user, kernel, part);
        else memcpy(kernel, (void *)user, part);
        csr_clear(sstatus, SSTATUS_SUM);
        kernel += part, user += part, n -= part;
    }
    return 0;
}

int copy_in(void *to, va_t from, u64 n) { return copy(to, from, n, 0); }
int copy_out(va_t to, const void *from, u64 n) { return copy((char *)from, to, n, 1); }

// A string of at most size - 1 bytes; a longer one is an error. Whole runs are copied, up to the end
// of each page, and then searched for the string's end: what lies behind it is not the caller's secret.
int copy_string(char *to, va_t from, u64 size) {
    for (u64 done = 0; done < size;) {
        u64 part = min(min(size - done, PAGE - (from + done) % PAGE), 32ul);
        int error = copy_in(to + done, from + done, part);
        if (error) return error;
        for (u64 end = done + part; done < end; done++)
            if (!to[done]) return 0;
    }
    return E_INVAL;
}

// Into a space that is not loaded (exec builds one): through the linear map.
int copy_to_mm(struct mm *mm, va_t to, const void *from, u64 n) {
    for (const char *p = from; n;) {
        u64 part = min(n, PAGE - to % PAGE);
        int error = prepare(mm, to, STORE);
        if (error) return error;
        memcpy((char *)linear(pte_pa(*table_find(mm->root, to))) + to % PAGE, p, part);
        p += part, to += part, n -= part;
    }
    return 0;
}
