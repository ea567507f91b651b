//! Two instructions in one micro-operation.

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
