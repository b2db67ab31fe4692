"""Board configurations, installed as ``spinn_mam.board_configs``."""
