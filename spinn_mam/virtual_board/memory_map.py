"""Addresses and sizes of a SpiNNaker 1 chip, as its cores see them.

References
----------
SpiNNaker data sheet version 2.02 (University of Manchester, 2011), the chip's memory map; Furber et al. (2014),
doi:10.1109/JPROC.2014.2304638.
"""

#: Tightly coupled memories of a core.
ITCM_BASE, ITCM_BYTES = 0x0000_0000, 0x8000
DTCM_BASE, DTCM_BYTES = 0x0040_0000, 0x1_0000

#: Memories of a chip, each visible at a buffered and an unbuffered address.
SDRAM_BASE, SDRAM_UNBUFFERED, SDRAM_BYTES = 0x6000_0000, 0x7000_0000, 0x800_0000
SYSRAM_BASE, SYSRAM_UNBUFFERED, SYSRAM_BYTES = 0xE500_0000, 0xF500_0000, 0x8000

#: Devices of a core: buffered and unbuffered address.
COMMUNICATIONS = (0x2000_0000, 0x1000_0000)
TIMERS = (0x2100_0000, 0x1100_0000)
INTERRUPTS = (0x2F00_0000, 0x1F00_0000)
#: The interrupt vector is fetched relative to address 0x18, which reaches the controller here.
INTERRUPTS_ALIAS = 0xFFFF_F000
DMA = (0x4000_0000, 0x3000_0000)

#: Devices of a chip.
ROUTER = (0xE100_0000, 0xF100_0000)
SYSTEM_CONTROLLER = (0xE200_0000, 0xF200_0000)
WATCHDOG = (0xE300_0000, 0xF300_0000)

#: Spans mapped for each kind of device, in bytes.
DEVICE_SPAN, ROUTER_SPAN = 0x1000, 0x2_0000

#: Tables inside the router's span.
ROUTER_RAM, ROUTER_KEYS, ROUTER_MASKS, ROUTER_P2P = 0x4000, 0x8000, 0xC000, 0x1_0000
ROUTER_ENTRIES, ROUTER_P2P_WORDS = 1024, 8192
ROUTER_FIXED, ROUTER_DIAGNOSTICS, ROUTER_COUNTERS = 0x84, 0x300, 16

#: Exception vectors.
VECTOR_UNDEFINED, VECTOR_PREFETCH_ABORT, VECTOR_DATA_ABORT, VECTOR_IRQ, VECTOR_FIQ = 0x04, 0x0C, 0x10, 0x18, 0x1C

#: Clock of the cores and of their timers.
CPU_CLOCK_MHZ = 200
#: Processors of a chip, the monitor among them.
CORES = 18
