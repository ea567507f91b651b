// The devices. The disk: files of many blocks, written, re-read from the disk, removed. The entropy
// device: bytes that differ. Where there is no such device, nothing is tested.
#include "tests.h"

static u8 buffer[3000]; // not a divisor of the block size, on purpose

static void fill(u64 at, u64 n, u64 salt) {
    for (u64 i = 0; i < n; i++) buffer[i] = (u8)((at + i) * 31 + ((at + i) >> 8) * 7 + salt);
}

static int write_file(const char *name, u64 bytes, u64 salt) {
    int fd = open(name, OPEN_WRITE | OPEN_CREATE);
    if (fd < 0) return failed("blktest", "create", (u64)fd, 0);
    for (u64 at = 0; at < bytes; at += sizeof buffer) {
        u64 n = bytes - at < sizeof buffer ? bytes - at : sizeof buffer;
        fill(at, n, salt);
        i64 done = write(fd, buffer, n);
        if (done != (i64)n) return failed("blktest", "write", (u64)done, n);
    }
    close(fd);
    return 0;
}

static int check_file(const char *name, u64 bytes, u64 salt) {
    static u8 read_back[sizeof buffer];
    int fd = open(name, OPEN_READ);
    if (fd < 0) return failed("blktest", "open", (u64)fd, 0);
    for (u64 at = 0; at < bytes;) {
        i64 n = read(fd, read_back, sizeof read_back);
        if (n <= 0) return failed("blktest", "read", (u64)n, bytes - at);
        fill(at, (u64)n, salt);
        if (memcmp(buffer, read_back, (u64)n)) return failed("blktest", "content near", at, at);
        at += (u64)n;
    }
    if (read(fd, read_back, 1) != 0) return failed("blktest", "end of file", 1, 0);
    close(fd);
    return 0;
}

int blktest(int argc, char **argv) {
    (void)argc, (void)argv;
    struct system before, after;
    get_system(&before);
    if (!before.disk_blocks) {
        print("blktest: no disk, nothing tested\n");
        return 0;
    }
    static const char *const names[] = { "blktest.a", "blktest.b", "blktest.c" };
    for (u64 i = 0; i < LEN(names); i++) unlink(names[i]);
    get_system(&before);
    int status, result = 0;
    for (u64 i = 0; i < LEN(names); i++) // all at once
        if (fork() == 0) exit(write_file(names[i], 50000 + i * 12345, i));
    for (u64 i = 0; i < LEN(names); i++) {
        wait_for(-1, &status);
        result |= status;
    }
    i64 error = sync_disk();
    if (error) return failed("blktest", "sync", (u64)error, 0);
    for (u64 i = 0; i < LEN(names); i++)
        if (fork() == 0) exit(check_file(names[i], 50000 + i * 12345, i));
    for (u64 i = 0; i < LEN(names); i++) {
        wait_for(-1, &status);
        result |= status;
    }
    for (u64 i = 0; i < LEN(names); i++)
        if (unlink(names[i])) return failed("blktest", "unlink", i, 0);
    get_system(&after);
    if (after.disk_free != before.disk_free) return failed("blktest", "free blocks", after.disk_free, before.disk_free);
    return result;
}

int rngtest(int argc, char **argv) {
    (void)argc, (void)argv;
    static u8 bytes[4][64];
    for (u64 i = 0; i < LEN(bytes); i++)
        for (u64 at = 0; at < sizeof bytes[i];) {
            i64 n = get_random(bytes[i] + at, sizeof bytes[i] - at);
            if (n == E_NOENT) {
                print("rngtest: no entropy device, nothing tested\n");
                return 0;
            }
            if (n <= 0) return failed("rngtest", "read", (u64)n, 1);
            at += (u64)n;
        }
    for (u64 i = 0; i < LEN(bytes); i++)
        for (u64 j = i + 1; j < LEN(bytes); j++)
            if (!memcmp(bytes[i], bytes[j], 16)) return failed("rngtest", "repeated bytes", i, j);
    u64 ones = 0; // of 2,048 bits; 300 from the middle is 13 standard deviations
    for (u64 i = 0; i < sizeof bytes; i++)
        for (u32 bit = 0; bit < 8; bit++) ones += (&bytes[0][0])[i] >> bit & 1;
    if (ones < 724 || ones > 1324) return failed("rngtest", "bits set", ones, 1024);
    return 0;
}
