//! Error-correcting codes for flash: Hamming SEC-DED, binary BCH, QC-LDPC.
