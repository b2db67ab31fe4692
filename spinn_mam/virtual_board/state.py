"""Word indices of the arrays that device callbacks, the executor and the server share.

Each core is a row of ``CORE_WORDS`` 64-bit words, each chip a row of ``CONTROLLER_WORDS`` 32-bit words for the part of its
system controller that the host and the cores both touch, and the whole machine one array of ``CONTROL_WORDS``. Compiled code
has no attributes: these names are the interface.
"""

# What a core is doing: stopped in wait-for-interrupt, stopped polling timer 2, stopped between two instructions, or gone for good.
ABSENT, WAITING, POLLING, RUNNING, CRASHED = range(5)

# Why a callback stopped the processor.
STOP_NONE, STOP_POLL_IDLE, STOP_POLL_PACKET, STOP_BUDGET, STOP_EXCEPTION = range(5)

# Words of a core: processor.
CPU, CHIP, PHYSICAL, VIRTUAL, AT, PC, STOP, SPINNING = range(8)
# Host addresses: memories, the chip's controller words, router tables, the machine's control words, instruction-set map.
P_ITCM, P_DTCM, P_SDRAM, P_SYSRAM, P_CONTROLLER, P_ROUTE, P_KEY, P_MASK, P_P2P, P_COUNTERS, P_REGISTERS, P_CONTROL, P_MODES = range(8, 21)
# Interrupt controller.
VIC_SELECT, VIC_ENABLE, VIC_SOFT, VIC_DEFAULT, VIC_ACTIVE = range(21, 26)
VIC_SLOTS = 16
VIC_ADDRESS, VIC_CONTROL = 26, 42
# Timers: two of them, each with these words.
TIMER_WORDS = 6
LOAD, CONTROL, RAW, EXPIRY, READS, DUE = range(6)
TIMER_1, TIMER_2 = 58, 64
# DMA controller.
DMA_SYSTEM, DMA_TCM, DMA_DONE, DMA_GLOBAL, DMA_ERROR, DMA_DESCRIPTOR = range(70, 76)
# Communications controller; the queues hold two words a packet: key and control byte, payload.
CC_CONTROL, CC_DATA, CC_HAS_DATA, CC_LAST_DATA = range(76, 80)
P_INBOX, IN_HEAD, IN_TAIL, P_OUTBOX, OUT_COUNT = range(80, 85)
# Busy-wait detection on timer 2.
POLLS, POPPED = 85, 86
# Counters.
INSTRUCTIONS, INSTRUCTIONS_AT_TICK, TICKS, TICK_INSTRUCTIONS_MAX, TICK_INSTRUCTIONS_SUM, TICKS_OVER_BUDGET = range(87, 93)
SENT, RECEIVED, OVERFLOWED, FAULTS, FAULT_PC, FAULT_KIND, BUDGET_END, BUDGET_STOPS, DMA_BYTES, FIQS, IRQS = range(93, 104)
# Whether the core begins a time step, and whether a transfer out of it waits until all others have begun theirs.
BEGINS_TICK, DMA_HELD = 104, 105
CORE_WORDS = 112

#: Rows of the state array for each chip, by physical core.
ROWS_PER_CHIP = 18

# Words of a chip's row for the workers: host addresses, and its stretch of the list of active cores.
CHIP_ROUTE, CHIP_KEY, CHIP_MASK, CHIP_REGISTERS, CHIP_SYSRAM, CHIP_CONTROLLER = range(6)
CHIP_WORDS = 8

#: Packets that a queue of a core holds.
INBOX_PACKETS, OUTBOX_PACKETS = 32768, 8192
#: Free places in the queue for sending below which the core pauses until it is emptied.
OUTBOX_MARGIN = 256

# Words of a chip's controller: pending processor interrupts (bit per physical core), SYNC flags (bit per virtual core),
# semaphores, cores reported alive, physical number of the monitor, and a mark that a core changed the router's tables.
C_INTERRUPT, C_FLAGS, C_SEMAPHORES, C_ALIVE, C_MONITOR, C_ROUTER_CHANGED, C_FIXED_ROUTE = range(7)
CONTROLLER_WORDS = 64

# Words of the machine: virtual time in processor cycles, orders to the workers (the barrier's two words together) and what they did.
CLOCK, YIELD, BARRIER_COUNT, BARRIER_GENERATION, NEXT_CHIP, UNFINISHED, CODE, EVENTS, WAVES, ROUTED, DELIVERED, UNROUTED = range(12)
DROPPED, DELAYED, LATE_COUNT, LATE_READY, OVERFLOWS, CACHE_USED, FLAT_USED, RANDOM = range(12, 20)
# Faults: thresholds of 32 bits for a loss and a delay, and whether packets are shuffled.
FAULT_DROP, FAULT_LATE, FAULT_SHUFFLE = range(20, 23)
# Whether cores begin a time step in this wave.
TICK_WAVE = 23
CONTROL_WORDS = 64

# Codes with which the workers return.
CODE_CONTINUE, CODE_YIELDED, CODE_IDLE = range(3)

# Packet types, the top two bits of the control byte, and its payload bit.
MULTICAST, POINT_TO_POINT, NEAREST_NEIGHBOUR, FIXED_ROUTE = range(4)
PAYLOAD_BIT = 0x02

# Interrupt sources.
SOURCE_TIMER_1, SOURCE_TIMER_2, SOURCE_TX_EMPTY, SOURCE_DMA_DONE, SOURCE_DMA_ERROR, SOURCE_CPU, SOURCE_TX_NOT_FULL, SOURCE_PACKET = (
    4,
    5,
    11,
    12,
    13,
    18,
    23,
    24,
)

# Router counters, as the chip numbers them.
LOCAL_MULTICAST, EXTERNAL_MULTICAST, LOCAL_FIXED, EXTERNAL_FIXED, DUMPED_MULTICAST = 0, 1, 6, 7, 8
