//! Drives that ship with the crate, as data: the files under `profiles/`.

use crate::describe;
use crate::profile::Profile;

/// The drives that ship: name, text.
const SHIPPED: [(&str, &str); 3] = [
    ("hp97560", include_str!("../profiles/hp97560.drive")),
    ("enterprise15k", include_str!("../profiles/enterprise15k.drive")),
    ("desktop7200", include_str!("../profiles/desktop7200.drive")),
];

/// The names of the drives that ship: the drive of the textbooks (1991), a server drive of 15,000
/// turns a minute (2005), and a desktop drive of 7,200 (2016).
pub const NAMES: [&str; 3] = [SHIPPED[0].0, SHIPPED[1].0, SHIPPED[2].0];

/// The drive called `name`.
pub fn find(name: &str) -> Option<Profile> {
    let (name, text) = SHIPPED.iter().find(|s| s.0 == name)?;
    // The tests read every one of them.
    describe::parse(name, text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_builds_and_has_its_class_capacity() {
        let gigabytes = |name: &str| {
            let p = find(name).unwrap();
            p.layout.build().unwrap().sectors() * u64::from(p.sector_bytes) / 1_000_000_000
        };
        assert_eq!(gigabytes("hp97560"), 1);
        assert!((140..=155).contains(&gigabytes("enterprise15k")));
        assert!((1950..=2050).contains(&gigabytes("desktop7200")), "{}", gigabytes("desktop7200"));
        assert!(find("floppy").is_none());
    }
}
