//! Loads and stores, of integers and of floating-point registers.

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
