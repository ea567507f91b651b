// What keeps the TLBs honest.
//
// With ASIDs, a hart keeps the entries of spaces that it left; so a change to a space must be told
// to every hart that has run it since its entries were last flushed (mm->harts). Without ASIDs each
// switch flushes the hart's own user entries, and only harts that run the space now need to hear.
// Other harts are reached through SBI's remote fences, which return when they are done.
#include "kernel.h"

u64 asid_bits, count_shootdowns;

enum { ASIDS = 128 };               // enough for one space a process, and those that exec builds
static u64 taken[ASIDS / 64] = { 1 }; // 0 is the kernel's own

// Which bits of satp.ASID the hart keeps tells how many it has.
void tlb_init(void) {
    u64 satp = csr_read(satp);
    csr_write(satp, satp | 0xfffful << 44);
    u64 kept = csr_read(satp) >> 44 & 0xffff;
    csr_write(satp, satp);
    sfence_all();
    for (; kept & 1; kept >>= 1) asid_bits++;
    if (!options.use_asid || asid_bits < 7) asid_bits = 0;
}

u64 tlb_asid_get(void) {
    if (!asid_bits) return 0;
    for (u64 asid = 1; asid < ASIDS; asid++)
        if (!(taken[asid / 64] >> asid % 64 & 1)) {
            taken[asid / 64] |= 1ul << asid % 64;
            return asid;
        }
    panic("more address spaces than processes");
}

// The next owner of the number must not meet entries of this one.
void tlb_asid_put(struct mm *mm) {
    tlb_flush_mm(mm);
    if (mm->asid) taken[mm->asid / 64] &= ~(1ul << mm->asid % 64);
}

enum { PAGES_ONE_BY_ONE = 16 };

static void flush_here(struct mm *mm, va_t start, va_t end) {
    if (end - start > PAGES_ONE_BY_ONE * PAGE) {
        sfence_asid(mm->asid);
        return;
    }
    for (va_t va = start; va < end; va += PAGE) sfence_page_asid(va, mm->asid);
}

void tlb_flush(struct mm *mm, va_t start, va_t end) {
    u64 here = 1ul << this_hart()->number, others = mm->harts & ~here;
    if (mm->harts & here) flush_here(mm, start, end);
    if (!others) return;
    count_shootdowns++;
    sbi_fence_vma_asid(others, start, end - start, mm->asid);
}

void tlb_flush_mm(struct mm *mm) { tlb_flush(mm, 0, ~0ul); }

// The kernel's part is the same in all spaces, and a fault in it is fatal: so harts are told of new
// pages too, not only of changed ones.
void tlb_flush_kernel(va_t start, va_t end) {
    for (va_t va = start; va < end; va += PAGE) sfence_page(va);
    u64 others = ((1ul << harts_online) - 1) & ~(1ul << this_hart()->number);
    if (others) sbi_fence_vma(others, start, end - start);
}

// Loads the tables of `mm` on this hart. Between processes that share them nothing is to be done.
void tlb_switch(struct mm *mm) {
    struct hart *hart = this_hart();
    struct mm *old = hart->mm;
    if (old == mm) return;
    extern u64 kernel_satp;
    csr_write(satp, mm ? mm->satp : kernel_satp);
    if (!asid_bits) {
        sfence_asid(0);
        if (old) old->harts &= ~(1ul << hart->number);
    }
    if (mm) mm->harts |= 1ul << hart->number;
    hart->mm = mm;
}
