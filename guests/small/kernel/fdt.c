// The device tree: where everything is. One pass collects the harts, the next the rest, since
// interrupt numbers refer to harts by phandles that may come later.
#include "kernel.h"

enum { MAGIC = 0xd00dfeed, BEGIN = 1, END = 2, PROPERTY = 3, NOP = 4, FINISH = 9, DEPTH = 8 };

struct platform platform;

struct header {
    u32 magic, size, structure, strings, reservations, version, compatible, boot_hart, strings_size,
        structure_size;
};

// What the walk knows of a node when it is complete.
struct node {
    const char *name;
    u32 address_cells, size_cells;       // for its children
    const u8 *reg, *interrupts, *extended, *compatible;
    u32 reg_bytes, interrupts_bytes, extended_bytes, compatible_bytes;
    u32 phandle;
    int disabled, is_cpu, is_memory;
};

static u32 be32(const void *p) {
    const u8 *b = p;
    return (u32)b[0] << 24 | (u32)b[1] << 16 | (u32)b[2] << 8 | b[3];
}

static u64 cells(const u8 **p, u32 count) {
    u64 v = 0;
    for (; count; count--, *p += 4) v = v << 32 | be32(*p);
    return v;
}

static int is_compatible(const struct node *n, const char *what) {
    for (u32 i = 0; i < n->compatible_bytes; i += strlen((const char *)n->compatible + i) + 1)
        if (!strcmp((const char *)n->compatible + i, what)) return 1;
    return 0;
}

// The `index`th range of the node's reg property, in its parent's cells.
static int reg_range(const struct node *n, const struct node *parent, u32 index, struct range *out) {
    u32 stride = 4 * (parent->address_cells + parent->size_cells);
    if (!stride || (index + 1) * stride > n->reg_bytes) return 0;
    const u8 *p = n->reg + index * stride;
    out->start = cells(&p, parent->address_cells);
    out->end = out->start + cells(&p, parent->size_cells);
    return 1;
}

static void reserve(pa_t start, pa_t end) {
    if (end > start && platform.reserved_count < (int)LEN(platform.reserved))
        platform.reserved[platform.reserved_count++] = (struct range){ start, end };
}

static void property(struct node *n, const char *name, const u8 *value, u32 bytes, int chosen) {
    if (!strcmp(name, "#address-cells")) n->address_cells = be32(value);
    else if (!strcmp(name, "#size-cells")) n->size_cells = be32(value);
    else if (!strcmp(name, "reg")) n->reg = value, n->reg_bytes = bytes;
    else if (!strcmp(name, "interrupts")) n->interrupts = value, n->interrupts_bytes = bytes;
    else if (!strcmp(name, "interrupts-extended")) n->extended = value, n->extended_bytes = bytes;
    else if (!strcmp(name, "compatible")) n->compatible = value, n->compatible_bytes = bytes;
    else if (!strcmp(name, "phandle")) n->phandle = be32(value);
    else if (!strcmp(name, "status")) n->disabled = strcmp((const char *)value, "okay") != 0;
    else if (!strcmp(name, "timebase-frequency"))
        platform.timebase = bytes == 8 ? cells(&value, 2) : be32(value);
    else if (!strcmp(name, "device_type")) {
        n->is_cpu = !strcmp((const char *)value, "cpu");
        n->is_memory = !strcmp((const char *)value, "memory");
    } else if (chosen && !strcmp(name, "bootargs"))
        copy_name(platform.bootargs, (const char *)value, sizeof platform.bootargs);
}

static void hart_node(const struct node *n, const struct node *parent) {
    const u8 *p = n->reg;
    if (n->disabled || !p || platform.harts == HARTS) return;
    platform.hart_id[platform.harts++] = cells(&p, parent->address_cells);
}

static void plic_node(const struct node *n, const struct range *r) {
    platform.plic = r->start;
    platform.plic_bytes = r->end - r->start;
    for (int h = 0; h < HARTS; h++) platform.plic_context[h] = -1;
    for (u32 i = 0; (i + 1) * 8 <= n->extended_bytes; i++)
        for (int h = 0; h < platform.harts; h++)
            if (be32(n->extended + i * 8) == platform.intc[h] && be32(n->extended + i * 8 + 4) == INT_EXTERNAL)
                platform.plic_context[h] = (int)i;
}

static void device_node(const struct node *n, const struct node *parent) {
    struct range r;
    if (n->disabled || !reg_range(n, parent, 0, &r)) return;
    u32 irq = n->interrupts_bytes >= 4 ? be32(n->interrupts) : 0;
    if (n->is_memory) {
        if (!platform.ram.end) platform.ram = r;
    } else if (!strcmp(parent->name, "reserved-memory")) {
        for (u32 i = 0; reg_range(n, parent, i, &r); i++) reserve(r.start, r.end);
    } else if (is_compatible(n, "ns16550a") && !platform.uart) {
        platform.uart = r.start;
        platform.uart_irq = irq;
    } else if (is_compatible(n, "riscv,plic0") || is_compatible(n, "sifive,plic-1.0.0")) {
        plic_node(n, &r);
    } else if (is_compatible(n, "virtio,mmio") && platform.virtio_count < (int)LEN(platform.virtio)) {
        platform.virtio[platform.virtio_count] = r.start;
        platform.virtio_irq[platform.virtio_count++] = irq;
    } else if (is_compatible(n, "sifive,test0") || is_compatible(n, "sifive,test1")) {
        platform.finisher = r.start;
    }
}

// Walks the tree; a node is handled at its end, when all its own properties are known (they come
// before its children).
static void walk(const struct header *h, int pass) {
    struct node stack[DEPTH + 1];
    int depth = 0;
    const u8 *p = (const u8 *)h + be32(&h->structure);
    const char *strings = (const char *)h + be32(&h->strings);
    memset(stack, 0, sizeof stack);
    stack[0].name = "";
    for (;;) {
        u32 token = be32(p);
        p += 4;
        if (token == BEGIN) {
            if (++depth > DEPTH) panic("fdt: deeper than %d nodes", DEPTH);
            stack[depth] = (struct node){ .name = (const char *)p, .address_cells = 2, .size_cells = 1 };
            p += round_up(strlen((const char *)p) + 1, 4);
        } else if (token == PROPERTY) {
            u32 bytes = be32(p);
            property(&stack[depth], strings + be32(p + 4), p + 8, bytes, !strcmp(stack[depth].name, "chosen"));
            p += 8 + round_up(bytes, 4);
        } else if (token == END) {
            struct node *n = &stack[depth], *parent = &stack[depth - 1];
            if (pass == 0 && n->is_cpu) {
                hart_node(n, parent);
            } else if (pass == 0 && is_compatible(n, "riscv,cpu-intc") && depth > 1) {
                // The hart's own node ends after this one: it will get the next number.
                if (!parent->disabled && platform.harts < HARTS) platform.intc[platform.harts] = n->phandle;
            } else if (pass == 1) {
                device_node(n, parent);
            }
            if (--depth == 0) return;
        } else if (token != NOP) {
            return;
        }
    }
}

void fdt_init(pa_t blob) {
    const struct header *h = linear(blob);
    if (be32(&h->magic) != MAGIC) panic("no device tree at %lx", blob);
    platform.fdt = (struct range){ blob, blob + be32(&h->size) };
    reserve(platform.fdt.start, platform.fdt.end);
    const u8 *p = (const u8 *)h + be32(&h->reservations);
    for (;;) {
        pa_t start = cells(&p, 2);
        u64 bytes = cells(&p, 2);
        if (!bytes) break;
        reserve(start, start + bytes);
    }
    walk(h, 0);
    walk(h, 1);
    if (!platform.ram.end) panic("the device tree names no memory");
    if (!platform.timebase) panic("the device tree names no timebase-frequency");
}
