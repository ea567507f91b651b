// Page tables in the formats Sv39, Sv48 and Sv57, which differ only in their depth.
//
// The frame of a table knows how many of its entries are in use, so that a table that falls empty
// can be given back. It must not be given back before the TLBs have forgotten it: callers collect
// such frames in a list, flush, and only then release them.
#include "kernel.h"

int levels = 3;

// User space is the lower half; its last page is left out, so that no object ends at the border.
va_t user_top(void) { return (1ul << (12 + 9 * levels - 1)) - PAGE; }

static u64 index_of(va_t va, int level) { return va >> (12 + 9 * level) & 511; }

static pa_t frame_of(const pte_t *slot) { return round_down(physical(slot), PAGE); }

// The slot for `va` in the table of `level` (0: pages), or NULL where a table is absent.
static pte_t *find(pa_t root, va_t va, int level) {
    pa_t table = root;
    for (int l = levels - 1;; l--) {
        pte_t *slot = (pte_t *)linear(table) + index_of(va, l);
        if (l == level) return slot;
        if (!(*slot & PTE_V)) return NULL;
        assert(!(*slot & (PTE_R | PTE_W | PTE_X)));
        table = pte_pa(*slot);
    }
}

pte_t *table_find(pa_t root, va_t va) { return find(root, va, 0); }

pte_t *table_make(pa_t root, va_t va, int level) {
    pa_t table = root;
    for (int l = levels - 1; l > level; l--) {
        pte_t *slot = (pte_t *)linear(table) + index_of(va, l);
        if (!(*slot & PTE_V)) {
            pa_t next = frame_alloc_zeroed();
            if (!next) return NULL;
            frames_tables++;
            table_set(slot, pte_make(next, PTE_V));
        }
        table = pte_pa(*slot);
    }
    return (pte_t *)linear(table) + index_of(va, level);
}

// Every store to a table is made here: one aligned store of eight bytes, and the count of entries.
// An entry is in use if it is not zero, valid or not: a page without rights is parked (mm.c).
void table_set(pte_t *slot, pte_t entry) {
    u16 *entries = frame_entries(frame_of(slot));
    *entries += (entry != 0) - (*slot != 0);
    __atomic_store_n(slot, entry, __ATOMIC_RELEASE);
}

// Takes the tables above `va` out of the tree as far as they are empty, never the root.
void table_prune(pa_t root, va_t va, struct pruned *list) {
    for (int l = 1; l < levels; l++) {
        pte_t *above = find(root, va, l);
        if (!above || !(*above & PTE_V)) continue;
        pa_t table = pte_pa(*above);
        if (*frame_entries(table)) return;
        table_set(above, 0);
        *frame_link(table) = list->frames;
        list->frames = (u32)(table / PAGE);
    }
}

void pruned_release(struct pruned *list) {
    while (list->frames) {
        pa_t table = (pa_t)list->frames * PAGE;
        list->frames = *frame_link(table);
        frames_tables--;
        frame_release(table);
    }
}

// The first address from `va` on whose table exists, or a border beyond which the caller asks again.
va_t table_skip(pa_t root, va_t va) {
    pa_t table = root;
    for (int l = levels - 1; l > 0; l--) {
        pte_t *slot = (pte_t *)linear(table) + index_of(va, l);
        if (!(*slot & PTE_V)) return round_down(va, 1ul << (12 + 9 * l)) + (1ul << (12 + 9 * l));
        table = pte_pa(*slot);
    }
    return va;
}
