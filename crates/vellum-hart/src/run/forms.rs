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

/// The access to a device page, or one whose tag is missing, of `$part` at `$va`: a load.
macro_rules! slow_load {
    ($part:expr, $va:expr, $size:literal, $tlb:ident, $run:ident) => {
        match slow::load($run.memory, $run.id, $tlb, $va, $size) {
            Ok(value) => value,
            Err(stop) => return $run.refused($part, stop, $va, $size, None),
        }
    };
}

/// As [`slow_load`], a store.
macro_rules! slow_store {
    ($part:expr, $va:expr, $size:literal, $value:expr, $tlb:ident, $run:ident) => {
        match slow::store($run.memory, $run.id, $tlb, $va, $size, $value) {
            Ok(Stored::Plain) => {}
            Ok(Stored::Code) => return $run.stored_code($part, $tlb),
            Err(stop) => return $run.refused($part, stop, $va, $size, Some($value)),
        }
    };
}

/// A load of `$size` bytes at `$address` of `$part`, then `$then` with the value, then `$on`; twice:
/// for a hit, and for everything else.
macro_rules! load_fns {
    ($go:ident, $missed:ident, |$op:ident, $regs:ident, $run:ident| $address:expr, $part:expr,
        $size:literal, $fast:ident, $value:ident => $then:expr, $on:ident
    ) => {
        handler_fn!(
            #[inline(always)]
            $go | $op,
            $regs,
            tlb,
            $run,
            table | {
                let Some(host) = tlb.load(Gva::new($address), $size) else {
                    return $missed($op, $regs, tlb, $run, table);
                };
                let $value = u64::from(fast::$fast(host));
                $then;
                $on($op, $regs, tlb, $run, table)
            }
        );
        handler_fn!(
            #[cold]
            #[inline(never)]
            $missed
                | $op,
            $regs,
            tlb,
            $run,
            table | {
                let va: u64 = $address;
                let $value = slow_load!($part, va, $size, tlb, $run);
                $then;
                $on($op, $regs, tlb, $run, table)
            }
        );
    };
}

/// As [`load_fns`], a store of `$value`.
macro_rules! store_fns {
    ($go:ident, $missed:ident, |$op:ident, $regs:ident, $run:ident| $address:expr, $part:expr,
        $size:literal, $fast:ident, $int:ty, $value:expr, $on:ident
    ) => {
        handler_fn!(
            #[inline(always)]
            $go | $op,
            $regs,
            tlb,
            $run,
            table | {
                let Some(host) = tlb.store(Gva::new($address), $size) else {
                    return $missed($op, $regs, tlb, $run, table);
                };
                fast::$fast(host, $value as $int);
                $on($op, $regs, tlb, $run, table)
            }
        );
        handler_fn!(
            #[cold]
            #[inline(never)]
            $missed
                | $op,
            $regs,
            tlb,
            $run,
            table | {
                let va: u64 = $address;
                let value: u64 = $value;
                slow_store!($part, va, $size, value, tlb, $run);
                $on($op, $regs, tlb, $run, table)
            }
        );
    };
}

macro_rules! load {
    ($size:literal, $fast:ident, $value:ident => $loaded:expr) => {{
        load_fns!(go, missed, |op, regs, run| x!(regs, op.rs1()).wrapping_add(op.imm() as u64),
            op.get(), $size, $fast, $value => x!(regs, op.rd()) = $loaded, next);
        go::<M>
    }};
}

macro_rules! store {
    ($size:literal, $fast:ident, $int:ty) => {{
        store_fns!(
            go,
            missed,
            |op, regs, run| x!(regs, op.rs1()).wrapping_add(op.imm() as u64),
            op.get(),
            $size,
            $fast,
            $int,
            x!(regs, op.rs2()),
            next
        );
        go::<M>
    }};
}

/// Refuses a floating-point access while floating point is off.
macro_rules! if_float {
    ($access:ident) => {
        handler!(|op, regs, tlb, run, table| {
            if !run.float.enabled {
                return run.stop(op, Exit::Illegal(0), 1);
            }
            $access(op, regs, tlb, run, table)
        })
    };
}

macro_rules! float_load {
    ($size:literal, $fast:ident, $value:ident => $loaded:expr) => {{
        load_fns!(access, missed, |op, regs, run| x!(regs, op.rs1()).wrapping_add(op.imm() as u64),
            op.get(), $size, $fast, $value => run.float.write(op.rd(), $loaded), next);
        if_float!(access)
    }};
}

macro_rules! float_store {
    ($size:literal, $fast:ident, $int:ty) => {{
        store_fns!(
            access,
            missed,
            |op, regs, run| x!(regs, op.rs1()).wrapping_add(op.imm() as u64),
            op.get(),
            $size,
            $fast,
            $int,
            u64::from(run.float.regs[usize::from(op.rs2() & 31)] as $int),
            next
        );
        if_float!(access)
    }};
}

/// `rd = [rs1]; [rs1] = f(rd, rs2)`, in one step.
macro_rules! amo {
    ($size:literal, $update:ident, $int:ty, $signed:ty, $a:ident, $b:ident => $new:expr) => {{
        fn new($a: $int, $b: $int) -> $int {
            $new
        }
        handler_fn!(
            go | op,
            regs,
            tlb,
            run,
            table | {
                let (va, b) = (x!(regs, op.rs1()), x!(regs, op.rs2()) as $int);
                let Some(host) = tlb.store(Gva::new(va), $size) else {
                    return missed(op, regs, tlb, run, table);
                };
                let was = fast::$update(host, |a| new(a, b));
                x!(regs, op.rd()) = was as $signed as u64;
                next(op, regs, tlb, run, table)
            }
        );
        handler_fn!(
            #[cold]
            #[inline(never)]
            missed
                | op,
            regs,
            tlb,
            run,
            table | {
                let (va, b) = (x!(regs, op.rs1()), x!(regs, op.rs2()) as $int);
                let mut change = |a: u64| Some(u64::from(new(a as $int, b)));
                match atomic::update(run.memory, run.id, tlb, va, $size, &mut change) {
                    Ok((was, stored)) => {
                        x!(regs, op.rd()) = was as $signed as u64;
                        if stored == Stored::Code {
                            return run.stored_code(op.get(), tlb);
                        }
                    }
                    Err(exit) => return run.stop(op, exit, 1),
                }
                next(op, regs, tlb, run, table)
            }
        );
        go::<M>
    }};
}

macro_rules! amo_word {
    ($a:ident, $b:ident => $new:expr) => {
        amo!(4, update32, u32, i32, $a, $b => $new)
    };
}

macro_rules! amo_double {
    ($a:ident, $b:ident => $new:expr) => {
        amo!(8, update64, u64, u64, $a, $b => $new)
    };
}

macro_rules! load_reserved {
    ($size:literal) => {
        handler!(|op, regs, tlb, run, table| {
            let Running { memory, id, reservation, .. } = run;
            match atomic::load_reserved(*memory, *id, tlb, regs, reservation, op.get(), $size) {
                Ok(()) => next(op, regs, tlb, run, table),
                Err(exit) => run.stop(op, exit, 1),
            }
        })
    };
}

macro_rules! store_conditional {
    ($size:literal) => {
        handler!(|op, regs, tlb, run, table| {
            let Running { memory, id, reservation, .. } = run;
            match atomic::store_conditional(*memory, *id, tlb, regs, reservation, op.get(), $size) {
                Ok(Stored::Plain) => next(op, regs, tlb, run, table),
                Ok(Stored::Code) => run.stored_code(op.get(), tlb),
                Err(exit) => run.stop(op, exit, 1),
            }
        })
    };
}

/// The second operand of a pair's first operation: a register, or a short immediate.
macro_rules! short {
    ($op:ident, $regs:ident, register) => {
        x!($regs, $op.rs2())
    };
    ($op:ident, $regs:ident, short) => {
        $op.rs2() as i8 as u64
    };
}

/// Two operations: the first one's value, then the second one's, of its first source.
macro_rules! pair {
    ($a:ident, $b:ident: $kind:ident => $first:expr; $c:ident, $s:ident, $regs:ident => $second:expr) => {
        plain!(|op, $regs, run| {
            let ($a, $b) = (x!($regs, op.rs1()), short!(op, $regs, $kind));
            let $s = op.second();
            x!($regs, op.rd()) = $first;
            let $c = x!($regs, $s.source());
            x!($regs, $s.first()) = $second;
        })
    };
}

/// Two operations, the second one's first source being the first one's value: it need not go through
/// memory.
macro_rules! chain {
    ($a:ident, $b:ident: $kind:ident => $first:expr; $c:ident, $s:ident, $regs:ident => $second:expr) => {
        plain!(|op, $regs, run| {
            let ($a, $b) = (x!($regs, op.rs1()), short!(op, $regs, $kind));
            let $s = op.second();
            let $c: u64 = $first;
            x!($regs, op.rd()) = $c;
            x!($regs, $s.first()) = $second;
        })
    };
}

macro_rules! branch_after {
    ($c:ident = $value:expr, $a:ident, $b:ident: $kind:ident => $first:expr; $d:ident => $taken:expr) => {
        handler!(|op, regs, tlb, run, table| {
            let ($a, $b) = (x!(regs, op.rs1()), short!(op, regs, $kind));
            let s = op.second();
            let first: u64 = $first;
            x!(regs, op.rd()) = first;
            let ($c, $d) = ($value(regs, s, first), x!(regs, s.source()));
            if $taken {
                let target = run.pc.wrapping_add(s.distance());
                return jump(op, regs, tlb, run, table, target);
            }
            next(op, regs, tlb, run, table)
        })
    };
}

/// An operation and a branch.
macro_rules! pair_branch {
    ($a:ident, $b:ident: $kind:ident => $first:expr; $c:ident, $d:ident => $taken:expr) => {
        branch_after!($c = |regs: &[u64; 256], s: SecondInPlace, _| x!(regs, s.first()),
            $a, $b: $kind => $first; $d => $taken)
    };
}

/// An operation and a branch, whose first operand is the operation's value.
macro_rules! chain_branch {
    ($a:ident, $b:ident: $kind:ident => $first:expr; $c:ident, $d:ident => $taken:expr) => {
        branch_after!($c = |_: &[u64; 256], _, first: u64| first, $a, $b: $kind => $first; $d => $taken)
    };
}

/// The load that is the second of a pair, as functions `then` and `then_missed`.
macro_rules! then_load {
    ($size:literal, $fast:ident, $value:ident => $loaded:expr) => {
        load_fns!(then, then_missed, |op, regs, run| {
                let s = op.second();
                x!(regs, s.source()).wrapping_add(s.distance())
            },
            second(op.get()), $size, $fast,
            $value => x!(regs, op.second().first()) = $loaded, next);
    };
}

/// The store that is the second of a pair, as functions `then` and `then_missed`.
macro_rules! then_store {
    ($size:literal, $fast:ident, $int:ty) => {
        store_fns!(
            then,
            then_missed,
            |op, regs, run| {
                let s = op.second();
                x!(regs, s.source()).wrapping_add(s.distance())
            },
            second(op.get()),
            $size,
            $fast,
            $int,
            x!(regs, op.second().first()),
            next
        );
    };
}

macro_rules! load_load {
    ($size:literal, $fast:ident, $value:ident => $loaded:expr) => {{
        then_load!($size, $fast, $value => $loaded);
        load_fns!(go, missed,
            |op, regs, run| x!(regs, op.rs1()).wrapping_add((i64::from(op.rs2() as i8) * $size) as u64),
            first(op.get()), $size, $fast, $value => x!(regs, op.rd()) = $loaded, then);
        go::<M>
    }};
}

macro_rules! store_store {
    ($size:literal, $fast:ident, $int:ty) => {{
        then_store!($size, $fast, $int);
        store_fns!(
            go,
            missed,
            |op, regs, run| x!(regs, op.rs1())
                .wrapping_add((i64::from(op.rd() as i8) * $size) as u64),
            first(op.get()),
            $size,
            $fast,
            $int,
            x!(regs, op.rs2()),
            then
        );
        go::<M>
    }};
}

/// An operation on registers, then the access `then`.
macro_rules! pair_then {
    ($a:ident, $b:ident: $kind:ident => $first:expr; $($then:tt)+) => {{
        $($then)+
        handler_fn!(go |op, regs, tlb, run, table| {
            let ($a, $b) = (x!(regs, op.rs1()), short!(op, regs, $kind));
            x!(regs, op.rd()) = $first;
            then(op, regs, tlb, run, table)
        });
        go::<M>
    }};
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
