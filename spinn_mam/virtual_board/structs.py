"""Layout of what SC&MP and SARK keep in System RAM, and the numbers of the SCP protocol.

The system variables (``sv``) and the blocks of the virtual processors (``vcpu``) are shared by the host's tools, SC&MP and every ARM
binary, so their offsets are fixed. They are those of SpiNNaker tools 4.0.0 (``sark.h``), which the binaries of sPyNNaker 7.4.1 are built
with; the conformance tests hold them to spinnman's own table.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

#: Cores of a chip.
N_CORES = 18

#: System variables in System RAM (unbuffered; 0xe5007f00 is the buffered alias).
SV_BASE = 0xF5007F00
SV_BYTES = 256
#: Part of the system variables that the boot image brings along; the rest is made by SC&MP.
SV_BOOT_BYTES = 128
#: Blocks of the virtual processors.
VCPU_BASE = 0xE5007000
VCPU_BYTES = 128
#: Smallest and first unusable address of the part of System RAM that holds the SysRAM heap.
SYSRAM_USER_BASE = 0xE5000100
SYSRAM_USER_TOP = 0xE5007000
#: SDRAM that SC&MP keeps for itself starts here; the user's heap ends here.
SDRAM_SYSTEM_BASE = 0x67800000
#: Words of that area before its heap: the place where binaries are staged.
SDRAM_SYSTEM_BUFFER_WORDS = 65536
#: Buffer that the host leaves between the start of SDRAM and the user's heap (2.25 MiB).
SDRAM_USER_BASE = 0x60240000

#: Largest data part of an SDP message behind its 16-byte command header.
SDP_DATA_BYTES = 256
#: Header of an SDP message, and of the SCP command in it.
SDP_HEADER_BYTES = 8
SCP_HEADER_BYTES = 16


class Sv(IntEnum):
    """Offsets of the system variables."""

    P2P_ADDRESS = 0x00  # u16
    P2P_DIMENSIONS = 0x02  # u16
    DEBUG_ADDRESS = 0x04  # u16
    P2P_UP = 0x06  # u8
    LAST_ID = 0x07  # u8
    ETHERNET_ADDRESS = 0x08  # u16: P2P address of the Ethernet chip of the board
    HARDWARE_VERSION = 0x0A  # u8
    ETHERNET_UP = 0x0B  # u8
    CLOCK_MS = 0x10  # u64
    TIME_MS = 0x18  # u16
    UNIX_TIME = 0x1C
    CPU_CLOCK_MHZ = 0x24  # u16
    MEMORY_CLOCK_MHZ = 0x26  # u16
    NETINIT_PHASE = 0x2D  # u8
    P2P_ROOT = 0x2E  # u16
    LED0 = 0x30
    CLOCK_DRIFT = 0x38
    RANDOM = 0x3C
    ROOT_CHIP = 0x40  # u8
    N_MESSAGE_BUFFERS = 0x41  # u8
    SYNC_ALIGNMENT = 0x44
    SYSRAM_HEAP = 0x48
    SDRAM_HEAP = 0x4C
    IOBUF_BYTES = 0x50
    SDRAM_BUFFERS = 0x54
    SYSTEM_BUFFER_WORDS = 0x58
    BOOT_SIGNATURE = 0x5C
    LOCK = 0x64  # u8
    LINKS_ENABLED = 0x65  # u8
    MESSAGE_FREE = 0x68
    MESSAGE_COUNT = 0x6C  # u16
    MESSAGE_MAX = 0x6E  # u16
    STATUS_MAP = 0x80  # u8[20]
    PHYSICAL_TO_VIRTUAL = 0x94  # u8[20]
    VIRTUAL_TO_PHYSICAL = 0xA8  # u8[20]
    N_CPUS = 0xBC  # u8
    ROM_CPUS = 0xBD  # u8
    BOARD_ADDRESS = 0xBE  # u16
    SDRAM_BASE = 0xC0
    SYSRAM_BASE = 0xC4
    SDRAM_SYSTEM = 0xC8
    VCPU_BASE = 0xCC
    SYSTEM_HEAP = 0xD0
    ROUTER_COPY = 0xD4
    HOP_TABLE = 0xD8
    TAG_TABLE = 0xDC
    ROUTER_FREE = 0xE0  # u16
    P2P_ACTIVE = 0xE2  # u16
    APP_DATA = 0xE4
    MESSAGE_BUFFERS = 0xE8
    MAILBOX_FLAGS = 0xEC
    IP_ADDRESS = 0xF0  # u8[4]
    FIXED_ROUTE_COPY = 0xF4
    BOARD_INFO = 0xF8
    SOFTWARE_VERSION = 0xFC


class Vcpu(IntEnum):
    """Offsets in the block of a virtual processor."""

    REGISTERS = 0  # r0-r7
    PSR = 32
    SP = 36
    LR = 40
    RT_CODE = 44  # u8
    PHYSICAL_CPU = 45  # u8
    CPU_STATE = 46  # u8
    APP_ID = 47  # u8
    MESSAGE_TO_CORE = 48
    MESSAGE_TO_MONITOR = 52
    COMMAND_TO_CORE = 56  # u8
    COMMAND_TO_MONITOR = 57  # u8
    ERROR_COUNT = 58  # u16
    ERROR_FILE = 60
    ERROR_LINE = 64
    TIME = 68
    APP_NAME = 72  # char[16]
    IOBUF = 88
    SOFTWARE_VERSION = 92
    LINK_REGISTER = 96
    USER0 = 112
    USER1 = 116
    USER2 = 120
    USER3 = 124


class CpuState(IntEnum):
    """State of a core; those below INIT do not respond."""

    DEAD = 0
    POWERED_DOWN = 1
    RUN_TIME_EXCEPTION = 2
    WATCHDOG = 3
    INIT = 4
    READY = 5
    C_MAIN = 6
    RUNNING = 7
    SYNC0 = 8
    SYNC1 = 9
    PAUSED = 10
    FINISHED = 11
    SPARE12 = 12
    SPARE13 = 13
    SPARE14 = 14
    IDLE = 15


class RunTimeError(IntEnum):
    """Code that a crashed core leaves in its vcpu block."""

    NONE = 0
    RESET = 1
    UNDEFINED_INSTRUCTION = 2
    SVC = 3
    PREFETCH_ABORT = 4
    DATA_ABORT = 5
    IRQ = 6
    FIQ = 7
    VIC = 8
    ABORT = 9
    MALLOC = 10
    DIVISION_BY_ZERO = 11
    EVENT = 12
    SOFTWARE_ERROR = 13
    IOBUF = 14
    ENABLE = 15
    NULL_POINTER = 16
    PACKET = 17
    TIMER = 18
    API = 19
    VERSION = 20


class MailboxCommand(IntEnum):
    """What a mailbox of a vcpu block asks for."""

    IDLE = 0
    MESSAGE = 1
    NOP = 2
    SIGNAL = 3
    COMMAND = 4


class Signal(IntEnum):
    """Signals to the cores of an application."""

    INIT = 0
    POWER_DOWN = 1
    STOP = 2
    START = 3
    SYNC0 = 4
    SYNC1 = 5
    PAUSE = 6
    CONTINUE = 7
    EXIT = 8
    TIMER = 9
    USER0 = 10
    USER1 = 11
    USER2 = 12
    USER3 = 13


class Command(IntEnum):
    """SCP commands."""

    VERSION = 0
    RUN = 1
    READ = 2
    WRITE = 3
    APLX = 4
    FILL = 5
    COUNT = 15
    REMAP = 16
    LINK_READ = 17
    LINK_WRITE = 18
    APP_RUN = 19
    NEAREST_NEIGHBOUR = 20
    APP_COPY_RUN = 21
    SIGNAL = 22
    FLOOD_FILL_DATA = 23
    APP_START = 24
    LED = 25
    IPTAG = 26
    SROM = 27
    ALLOC = 28
    ROUTER = 29
    REINJECTION = 30
    INFO = 31
    SYNC = 32


class Code(IntEnum):
    """Return codes of SCP commands."""

    OK = 0x80
    LENGTH = 0x81
    CHECKSUM = 0x82
    COMMAND = 0x83
    ARGUMENT = 0x84
    PORT = 0x85
    TIMEOUT = 0x86
    ROUTE = 0x87
    CPU = 0x88
    DEAD = 0x89
    BUFFERS = 0x8A
    P2P_NO_REPLY = 0x8B
    P2P_REJECT = 0x8C
    P2P_BUSY = 0x8D
    P2P_TIMEOUT = 0x8E
    PACKET = 0x8F


class Alloc(IntEnum):
    """Operations of the ALLOC command."""

    ALLOC_SDRAM = 0
    FREE_SDRAM = 1
    FREE_SDRAM_BY_APP = 2
    ALLOC_ROUTES = 3
    FREE_ROUTES = 4
    FREE_ROUTES_BY_APP = 5
    SDRAM_SPACE = 6
    TAG_POINTER = 7


class AllocFlag(IntFlag):
    """Flags of the ALLOC command, bits 16-23 of its first argument."""

    LOCK = 1
    USE_APP_ID = 2
    RETRY = 4  # a block of this tag and size may already be there: answer it again


class IpTag(IntEnum):
    """Operations of the IPTAG command."""

    NEW = 0
    SET = 1
    GET = 2
    CLEAR = 3
    TIMEOUT = 4


class NearestNeighbour(IntEnum):
    """Commands of nearest-neighbour packets that the host may send, bits 24-31 of the key."""

    SIGNAL = 0
    FLOOD_FILL_START = 6
    FLOOD_FILL_END = 15
