//! The one door for the outside: live, recorded, replayed and seeded input.
