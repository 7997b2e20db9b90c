"""How often there is lightning: thunder hours, flash density and the diurnal cycle.

From the flashes of a window that may be years long, hour by hour: memory holds the fields and the
flashes of a day.
"""
