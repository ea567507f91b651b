// An integer workload of the kinds that embedded benchmarks mix: a linked list searched, reversed
// and sorted, small matrices multiplied, a text scanned by a state machine, a checksum over it all.
// It prints one line with its checksum, which does not depend on the machine.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

enum { ROUNDS = 30000, NODES = 64, SIDE = 16, TEXT = 512 };

struct node {
    struct node *next;
    short key, value;
};

static struct node nodes[NODES];
static short left[SIDE][SIDE], right[SIDE][SIDE];
static int product[SIDE][SIDE];
static u8 text[TEXT];

static u32 seed = 0x2545f491;

static u32 next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static u16 crc16(u16 crc, u32 word) {
    for (int bit = 0; bit < 32; bit++) {
        u32 carry = (crc ^ word) & 1;
        crc >>= 1;
        word >>= 1;
        if (carry)
            crc ^= 0xa001;
    }
    return crc;
}

static struct node *reverse(struct node *list) {
    struct node *done = 0;
    while (list) {
        struct node *rest = list->next;
        list->next = done;
        done = list;
        list = rest;
    }
    return done;
}

static struct node *merge(struct node *a, struct node *b) {
    struct node head, *tail = &head;
    while (a && b) {
        struct node **from = a->key <= b->key ? &a : &b;
        tail->next = *from;
        tail = *from;
        *from = (*from)->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

static struct node *sort(struct node *list) {
    struct node *slow = list, *fast = list ? list->next : 0, *half;
    if (!fast)
        return list;
    while (fast && fast->next) {
        slow = slow->next;
        fast = fast->next->next;
    }
    half = slow->next;
    slow->next = 0;
    return merge(sort(list), sort(half));
}

static u16 lists(u16 crc) {
    struct node *list = 0;
    for (int i = 0; i < NODES; i++) {
        nodes[i].key = (short)next_random();
        nodes[i].value = (short)i;
        nodes[i].next = list;
        list = &nodes[i];
    }
    for (int look = 0; look < 8; look++) {
        short wanted = (short)(next_random() % NODES);
        struct node *at = list;
        while (at && at->value != wanted)
            at = at->next;
        crc = crc16(crc, (u32)at->key);
        list = reverse(list);
    }
    list = sort(list);
    for (struct node *at = list; at; at = at->next)
        crc = crc16(crc, (u32)at->key << 16 | (u16)at->value);
    return crc;
}

static u16 matrices(u16 crc, int round) {
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            left[i][j] = (short)(i * j + round);
            right[i][j] = (short)(i - j + round);
        }
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            int sum = 0;
            for (int k = 0; k < SIDE; k++)
                sum += left[i][k] * right[k][j];
            product[i][j] = sum;
        }
    for (int i = 0; i < SIDE; i++)
        crc = crc16(crc, (u32)product[i][(i * 7) % SIDE]);
    return crc;
}

// Numbers in a text: integers, decimals, exponents, or none of these.
static u16 states(u16 crc) {
    static const u8 alphabet[] = "0123456789+-.eE, ,x";
    u32 counts[5] = {0, 0, 0, 0, 0};
    enum { START, INTEGER, DECIMAL, EXPONENT, INVALID } state = START;
    for (int i = 0; i < TEXT; i++)
        text[i] = alphabet[next_random() % (sizeof alphabet - 1)];
    for (int i = 0; i < TEXT; i++) {
        u8 c = text[i];
        int digit = c >= '0' && c <= '9';
        if (c == ',') {
            counts[state]++;
            state = START;
            continue;
        }
        switch (state) {
        case START:
            state = digit || c == '+' || c == '-' ? INTEGER : c == '.' ? DECIMAL : INVALID;
            break;
        case INTEGER:
            state = digit ? INTEGER : c == '.' ? DECIMAL : c == 'e' || c == 'E' ? EXPONENT : INVALID;
            break;
        case DECIMAL:
            state = digit ? DECIMAL : c == 'e' || c == 'E' ? EXPONENT : INVALID;
            break;
        case EXPONENT:
            state = digit || c == '+' || c == '-' ? EXPONENT : INVALID;
            break;
        case INVALID:
            break;
        }
    }
    for (int i = 0; i < 5; i++)
        crc = crc16(crc, counts[i]);
    return crc;
}

static void print(const char *line) {
    volatile u8 *uart = (volatile u8 *)0x10000000;
    for (; *line; line++) {
        while (!(uart[5] & 0x20))
            ;
        uart[0] = (u8)*line;
    }
}

int work(void) {
    char line[] = "loop: checksum 0x0000\r\n";
    u16 crc = 0xffff;
    for (int round = 0; round < ROUNDS; round++) {
        crc = lists(crc);
        crc = matrices(crc, round & 15);
        crc = states(crc);
    }
    for (int digit = 0; digit < 4; digit++)
        line[17 + digit] = "0123456789abcdef"[crc >> (12 - 4 * digit) & 15];
    print(line);
    return 0;
}
