//! The tricks of shadow tables, each of which can be left out: what they are worth is measured by
//! leaving them out, as Xen's `SHOPT_*` do.

bitflags::bitflags! {
    /// What shadow tables do beyond protecting the guest's tables and dropping what a store changed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Tricks: u16 {
        /// The trap of a store brings the entry up to date, where it only dropped it (KVM commit
        /// 0028425f, "update spte on guest pte write").
        const UPDATE = 1;
        /// A shadow page goes when nothing points to it any more (Xen's early unshadow).
        const UNSHADOW = 1 << 1;
        /// A table that is written three times between two uses is none any more: its shadow goes
        /// (KVM's `detect_write_flooding`). Without [`Tricks::LOOSE`], of idle roots alone.
        const FLOOD = 1 << 2;
        /// A leaf table goes out of step at its first store, and is written freely until a fence
        /// (KVM's unsync pages, Xen's out-of-sync pages).
        const LOOSE = 1 << 3;
        /// A hidden fault also fills the neighbours ([`PREFETCH`](super::PREFETCH) entries).
        const PREFETCH = 1 << 4;
        /// `sfence.vma` with an address fills the entry of that address anew (KVM's invlpg).
        const REFILL_AT_FENCE = 1 << 5;
        /// Bringing a table in step fills the entries that changed, where it only dropped them.
        const REFILL_AT_SYNC = 1 << 6;
        /// A leaf table that is stored to again and again is no longer shadowed: its entries are
        /// read at each miss, as a nested walk does (agile paging, ISCA 2016).
        const SWITCH = 1 << 7;
        /// A guest's page of 2 MiB or 1 GiB is one entry where the host's frames lie in a row and the
        /// same may be done with all (KVM's large pages). Which pages those are is the host's doing,
        /// so the sets that are not [in step](Tricks::in_step), where what is kept is a part of the
        /// machine's state, do without it.
        const LARGE = 1 << 8;
    }
}

impl Tricks {
    /// None: protect, trap each store, drop the entry, never let go of a table.
    pub const NAIVE: Tricks = Tricks::empty();
    /// The entry is brought up to date in the trap, and a table is let go when the entry above it
    /// changes: the honest base line, since it never protects what is no table.
    pub const TRAP_UPDATE: Tricks = Tricks::UPDATE.union(Tricks::UNSHADOW);
    /// In step: the entry is brought up to date in the trap, and tables that are none any more are
    /// let go.
    pub const UPDATING: Tricks = Tricks::SMALL.union(Tricks::LARGE);
    /// The same, in pages of 4 KiB.
    const SMALL: Tricks =
        Tricks::UPDATE.union(Tricks::UNSHADOW).union(Tricks::FLOOD).union(Tricks::PREFETCH);
    /// Out-of-step leaf tables with everything that spares a fault.
    pub const UNSYNC: Tricks =
        Tricks::UNSYNC_PLAIN.union(Tricks::REFILL_AT_FENCE).union(Tricks::REFILL_AT_SYNC);
    /// Out-of-step leaf tables and prefetch, without refills.
    pub const UNSYNC_PLAIN: Tricks = Tricks::SMALL.union(Tricks::LOOSE);
    /// In step where tables are quiet, nested where they are not.
    pub const HYBRID: Tricks = Tricks::SMALL.union(Tricks::SWITCH);

    /// Whether the tables that are kept say at any instant what the guest's do.
    pub const fn in_step(self) -> bool {
        !self.intersects(Tricks::LOOSE.union(Tricks::SWITCH))
    }
}
