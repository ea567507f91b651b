"""Accesses through page tables, made by Unicorn: the other side of `cargo xtask walk-differential`.

Reads cases from standard input and answers each with a line:

    riscv KIND SATP USER SUM MXR VA PLACE {ADDRESS VALUE}
    x86 KIND USER CR0 CR4 EFER AC PKRU VA PLACE {ADDRESS VALUE}

KIND is 0 for a load, 1 for a store, 2 for a fetch; PLACE is the physical address that the access is
expected to reach. Every word of memory but those that a case names holds its own address. The answer
is `CAUSE LOADED STORED {VALUE}`: the exception's number or -1, what a load got, what is at PLACE after
a store, and the named words as the access left them.
"""

import struct
import sys

try:
    import unicorn
    from unicorn import riscv_const as rv
    from unicorn import x86_const as x86
except ImportError:
    print("no unicorn")
    sys.exit(0)

STORED = 0x7777777777777777


class Machine:
    def __init__(self, arch, mode, base, size, model=None):
        self.uc = unicorn.Uc(arch, mode)
        if model is not None:
            self.uc.ctl_set_cpu_model(model)
        self.uc.mem_map(base, size)
        words = range(base, base + size, 8)
        self.uc.mem_write(base, struct.pack("<%dQ" % len(words), *words))
        self.fault = -1
        self.uc.hook_add(unicorn.UC_HOOK_INTR, self.interrupt)

    def interrupt(self, uc, number, _):
        if self.fault < 0:
            self.fault = number
        uc.emu_stop()

    def write(self, at, value):
        self.uc.mem_write(at, struct.pack("<Q", value))

    def read(self, at):
        return struct.unpack("<Q", self.uc.mem_read(at, 8))[0]

    def start(self, at, count):
        self.fault = -1
        try:
            self.uc.emu_start(at, 0, count=count)
        except unicorn.UcError as error:
            if self.fault < 0:
                self.fault = 1000 + error.errno

    def case(self, kind, place, words, access):
        for at, value in words:
            self.write(at, value)
        if kind == 2 and place not in dict(words):
            self.write(place, self.NOTHING)
        loaded = access()
        stored = self.read(place) if kind == 1 else 0
        left = [self.read(at) for at, _ in words]
        for at, _ in words:
            self.write(at, at)
        if kind > 0:
            self.write(place, place)
        print(self.fault, loaded, stored, *left)


class Riscv(Machine):
    """M-mode whose loads and stores are made as S-mode's or U-mode's (MPRV); fetches by `mret`."""

    RAM = 0x80000000
    # Jumps to themselves, to be fetched: nothing behind them is looked at.
    NOTHING = 0x0000006F0000006F

    def __init__(self):
        super().__init__(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV64, self.RAM, 1 << 24)
        # ld t0, 0(a0); sd t1, 0(a0); mret
        self.uc.mem_write(self.RAM, struct.pack("<III", 0x00053283, 0x00653023, 0x30200073))

    def access(self, kind, satp, user, sum_, mxr, va):
        uc = self.uc
        uc.reg_write(rv.UC_RISCV_REG_PRIV, 3)
        uc.reg_write(rv.UC_RISCV_REG_SATP, satp)
        mpp = 0 if user else 1
        mprv = 0 if kind == 2 else 1
        uc.reg_write(rv.UC_RISCV_REG_MSTATUS, mprv << 17 | mpp << 11 | sum_ << 18 | mxr << 19)
        uc.ctl_flush_tb()
        uc.reg_write(rv.UC_RISCV_REG_A0, va)
        uc.reg_write(rv.UC_RISCV_REG_T1, STORED)
        uc.reg_write(rv.UC_RISCV_REG_MEPC, va)
        self.start(self.RAM + 4 * kind, 2 if kind == 2 else 1)
        return uc.reg_read(rv.UC_RISCV_REG_T0)


class X86(Machine):
    """Long mode. Code is in a page for each privilege, under the root's last entry, which no case
    uses. User mode is entered once, by `sysret`, and never left."""

    ROOT = 0x10000
    ROOT5 = 0xF000
    LA57 = 1 << 12
    PKE = 1 << 22
    NOTHING = 0xFEEBFEEBFEEBFEEB
    CODE = 0xFFFFFF8000000000

    def __init__(self, user):
        # The first that has five levels and protection keys.
        model = x86.UC_CPU_X86_ICELAKE_SERVER
        super().__init__(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64, 0, 1 << 25, model)
        self.user = user
        for at, value in [
            (self.ROOT5 + 511 * 8, self.ROOT | 0x27),
            (self.ROOT + 511 * 8, 0x1000 | 0x27),
            (0x1000, 0x2000 | 0x27),
            (0x2000, 0x3000 | 0x27),
            (0x3000, 0x4000 | (0x27 if user else 0x23)),
            (0x3008, 0x4000 | 0x23),
        ]:
            self.write(at, value)
        # mov rax, [rsi]; mov [rsi], rdi; jmp rsi; sysretq; wrpkru
        code = "488b069048893e90ffe69090480f07900f01ef90"
        self.uc.mem_write(0x4000, bytes.fromhex(code))
        if user:
            self.set(1 << 31 | 1 << 16 | 1, 1 << 5, 1 << 11 | 1 << 10 | 1 << 8 | 1, 0)
            self.uc.reg_write(x86.UC_X86_REG_MSR, (0xC0000081, 0x1B << 48 | 0x8 << 32))
            self.uc.reg_write(x86.UC_X86_REG_RCX, self.CODE)
            self.uc.reg_write(x86.UC_X86_REG_R11, 2)
            self.start(self.CODE + 0x1000 + 12, 1)
        # An exception that nobody handles leaves the processor waiting to fault doubly.
        self.fresh = self.uc.context_save()

    def set(self, cr0, cr4, efer, ac):
        uc = self.uc
        uc.reg_write(x86.UC_X86_REG_MSR, (0xC0000080, efer))
        uc.reg_write(x86.UC_X86_REG_CR4, cr4)
        uc.reg_write(x86.UC_X86_REG_CR0, cr0)
        # Which also forgets every translation.
        uc.reg_write(x86.UC_X86_REG_CR3, self.ROOT5 if cr4 & self.LA57 else self.ROOT)
        uc.reg_write(x86.UC_X86_REG_EFLAGS, 2 | ac << 18)

    def access(self, kind, cr0, cr4, efer, ac, pkru, va):
        uc = self.uc
        uc.context_restore(self.fresh)
        self.set(cr0, cr4, efer, ac)
        if cr4 & self.PKE:
            uc.reg_write(x86.UC_X86_REG_RAX, pkru)
            uc.reg_write(x86.UC_X86_REG_RCX, 0)
            uc.reg_write(x86.UC_X86_REG_RDX, 0)
            self.start(self.CODE + 16, 1)
            if self.fault >= 0:
                raise SystemExit("no protection keys: exception %d" % self.fault)
        uc.reg_write(x86.UC_X86_REG_RSI, va)
        uc.reg_write(x86.UC_X86_REG_RDI, STORED)
        self.start(self.CODE + 4 * kind, 2 if kind == 2 else 1)
        return uc.reg_read(x86.UC_X86_REG_RAX)


def main():
    machines = {}

    def machine(name, make):
        if name not in machines:
            machines[name] = make()
        return machines[name]

    print("unicorn", unicorn.__version__, flush=True)
    for line in sys.stdin:
        arch, *numbers = line.split()
        numbers = [int(number, 16) for number in numbers]
        if arch == "riscv":
            kind, satp, user, sum_, mxr, va, place = numbers[:7]
            rest = numbers[7:]
            one = machine(arch, Riscv)
            access = lambda: one.access(kind, satp, user, sum_, mxr, va)
        else:
            kind, user, cr0, cr4, efer, ac, pkru, va, place = numbers[:9]
            rest = numbers[9:]
            one = machine((arch, user), lambda: X86(user))
            access = lambda: one.access(kind, cr0, cr4, efer, ac, pkru, va)
        one.case(kind, place, list(zip(rest[::2], rest[1::2])), access)


main()
