"""Times the Linux kernel's BCH code through PyPI's bchlib.

Reads lines `OPERATION M T LENGTH ERRORS SECONDS` from standard input and answers each with the CPU
seconds of one call, less those of the same call over no data. OPERATION is `encode` or `decode`.
"""
import sys
import time

import bchlib


def per_call(seconds, call):
    calls = 1
    while True:
        start = time.process_time()
        for _ in range(calls):
            call()
        spent = time.process_time() - start
        if spent >= seconds:
            return spent / calls
        calls = int(calls * min(100, max(2, 1.1 * seconds / max(spent, 1e-7))))


def sample(length):
    x, out = 1, bytearray()
    for _ in range(length):
        x = (x * 1103515245 + 12345) & 0xFFFFFFFF
        out.append(x >> 24)
    return out


codes = {}
print("ready", flush=True)
for line in sys.stdin:
    operation, m, t, length, errors, seconds = line.split()
    m, t, length, errors, seconds = int(m), int(t), int(length), int(errors), float(seconds)
    code = codes.setdefault((m, t), bchlib.BCH(t, m=m))
    data = sample(length)
    ecc = bytes(code.encode(bytes(data)))
    zero = bytes(len(ecc))
    if operation == "encode":
        data = bytes(data)
        full = per_call(seconds, lambda: code.encode(data))
        empty = per_call(seconds / 4, lambda: code.encode(b""))
    else:
        for i in range(errors):
            place = (2 * i + 1) * length * 4 // errors
            data[place // 8] ^= 0x80 >> (place % 8)
        data = bytes(data)
        expected = errors if errors <= t else -1
        assert code.decode(data=data, recv_ecc=ecc) == expected
        full = per_call(seconds, lambda: code.decode(data=data, recv_ecc=ecc))
        empty = per_call(seconds / 4, lambda: code.decode(data=b"", recv_ecc=zero))
    print(full - empty, flush=True)
