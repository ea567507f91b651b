//! Reads and writes in one step, and reservations.

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
