//! NAND flash: the driver trait that real chips and the model share, and the chip model.
