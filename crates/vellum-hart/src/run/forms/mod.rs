//! The forms of handlers: each macro makes the function that carries out one kind of
//! micro-operation, of what is particular to it.
//!
//! A handler ends by calling the next one with its own arguments, so that nothing is left to do when
//! that returns: an optimising compiler makes a jump of it, and every operation has its own place to
//! jump from, which is what a processor foretells best. Nothing depends on that. A handler that
//! leaves its block returns, so calls are at most as deep as a block is long.
//!
//! What seldom happens (a missing tag, an access that is refused) stands in a function of its own
//! with the same arguments, so that the usual path needs no stack frame.

/// The parameters that all handlers have; `$op`, `$regs`, `$tlb`, `$run` by name.
macro_rules! handler_fn {
    ($(#[$attribute:meta])* $name:ident |$op:ident, $regs:ident, $tlb:ident, $run:ident, $table:ident|
        $body:block
    ) => {
        $(#[$attribute])*
        fn $name<M: Memory>(
            $op: Cursor,
            $regs: &mut [u64; 256],
            $tlb: &mut Tlb,
            $run: &mut Running<'_, M>,
            $table: &Table<M>,
        ) -> Cursor $body
    };
}

/// A handler as a value.
macro_rules! handler {
    (|$op:ident, $regs:ident, $tlb:ident, $run:ident, $table:ident| $body:block) => {{
        handler_fn!(go | $op, $regs, $tlb, $run, $table | $body);
        go::<M>
    }};
}

/// A handler that does something and goes on.
macro_rules! plain {
    (|$op:ident, $regs:ident, $run:ident| $does:expr) => {
        handler!(|$op, $regs, tlb, $run, table| {
            $does;
            next($op, $regs, tlb, $run, table)
        })
    };
}

/// A handler that does something and leaves the block, by `jump` or `leave`, for an address.
macro_rules! end {
    ($how:ident |$op:ident, $regs:ident, $run:ident| $target:expr) => {
        handler!(|$op, $regs, tlb, $run, table| {
            let target = $target;
            $how($op, $regs, tlb, $run, table, target)
        })
    };
}

/// A handler that stops the run.
macro_rules! stop {
    (|$op:ident, $run:ident| $stops:expr) => {
        handler!(|$op, _regs, _tlb, $run, _table| { $stops })
    };
}

macro_rules! x {
    ($regs:ident, $register:expr) => {
        $regs[usize::from($register)]
    };
}

/// `rd = f(rs1)`.
macro_rules! unary {
    ($a:ident => $value:expr) => {
        plain!(|op, regs, run| {
            let $a = x!(regs, op.rs1());
            x!(regs, op.rd()) = $value;
        })
    };
}

/// `rd = f(rs1, rs2)`.
macro_rules! binary {
    ($a:ident, $b:ident => $value:expr) => {
        plain!(|op, regs, run| {
            let ($a, $b) = (x!(regs, op.rs1()), x!(regs, op.rs2()));
            x!(regs, op.rd()) = $value;
        })
    };
}

/// `rd = f(rs1, imm)`, the immediate with its sign extended.
macro_rules! immediate {
    ($a:ident, $i:ident => $value:expr) => {
        plain!(|op, regs, run| {
            let ($a, $i) = (x!(regs, op.rs1()), op.imm() as u64);
            x!(regs, op.rd()) = $value;
        })
    };
}

/// `if taken(rs1, rs2) { leave for imm behind the block's start }`.
macro_rules! branch {
    ($a:ident, $b:ident => $taken:expr) => {
        handler!(|op, regs, tlb, run, table| {
            let ($a, $b) = (x!(regs, op.rs1()), x!(regs, op.rs2()));
            if $taken {
                let target = run.pc.wrapping_add(op.imm() as u64);
                return jump(op, regs, tlb, run, table, target);
            }
            next(op, regs, tlb, run, table)
        })
    };
}

/// Floating-point arithmetic.
macro_rules! float {
    () => {
        handler!(|op, regs, tlb, run, table| {
            if !run.float.operate(regs, op.get()) {
                return run.stop(op, Exit::Illegal(0), 0);
            }
            next(op, regs, tlb, run, table)
        })
    };
}

#[macro_use]
mod memory;
#[macro_use]
mod atomic;
#[macro_use]
mod pairs;
