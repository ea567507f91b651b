//! The block-device contract: virtual time, requests, completions whose breakdown adds up, power loss.
