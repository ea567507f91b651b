// The serial port, a 16550: input by interrupt, output by the FIFO's sixteen bytes at a time.
#include "kernel.h"

enum { DATA = 0, IER = 1, FCR = 2, LCR = 3, MCR = 4, LSR = 5 };
enum { IER_RX = 1, FCR_ENABLE = 1, FCR_CLEAR = 6, LCR_8N1 = 3, MCR_ON = 3, MCR_IRQ = 8, LSR_RX = 1, LSR_TX_EMPTY = 0x20 };
enum { FIFO = 16 };

static volatile u8 *port;
static int room; // bytes that the FIFO surely takes

void uart_init(void) {
    if (!platform.uart) panic("the device tree names no ns16550a");
    port = linear(platform.uart);
    port[IER] = 0;
    port[LCR] = LCR_8N1;
    port[FCR] = FCR_ENABLE | FCR_CLEAR;
    port[MCR] = MCR_ON | MCR_IRQ;
}

void uart_start(void) {
    plic_enable(platform.uart_irq);
    uart_listen(1);
}

// While nobody has room for input it stays in the device, which holds back whoever sends it.
void uart_listen(int on) { port[IER] = on ? IER_RX : 0; }

void uart_put(char c) {
    if (!room) {
        while (!(port[LSR] & LSR_TX_EMPTY)) asm volatile("nop");
        room = FIFO;
    }
    port[DATA] = (u8)c;
    room--;
}

int uart_get(void) { return port[LSR] & LSR_RX ? port[DATA] : -1; }
