"""Times the Linux kernel's BCH code through PyPI's bchlib.

Reads lines `OPERATION M T LENGTH ERRORS SECONDS` from standard input and answers each with the CPU
seconds of one call, less those of the same call over no data. OPERATION is `encode` or `decode`.

`check M T POLYNOMIAL DATA ERRORS` (DATA in hexadecimal, ERRORS bit numbers joined by commas, most
significant bit of the first byte first) answers with the parity and with what decoding the data with
those bits flipped comes to: the number of errors found, and the data then.
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


def check(m, t, polynomial, data, errors):
    code = bchlib.BCH(int(t), m=int(m), prim_poly=int(polynomial, 0))
    data = bytearray.fromhex(data)
    ecc = bytearray(code.encode(bytes(data)))
    parity = ecc.hex()
    for place in errors.split(","):
        place = int(place)
        where, place = (data, place) if place < len(data) * 8 else (ecc, place - len(data) * 8)
        where[place // 8] ^= 0x80 >> (place % 8)
    found = code.decode(data=bytes(data), recv_ecc=bytes(ecc))
    if found > 0:
        code.correct(data, ecc)
    return f"{parity} {found} {data.hex()}"


codes = {}
print("ready", flush=True)
for line in sys.stdin:
    if line.startswith("check "):
        try:
            print(check(*line.split()[1:]), flush=True)
        except RuntimeError:
            print("refused", flush=True)
        continue
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
