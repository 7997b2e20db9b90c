"""Gridded lightning: events, groups and flashes to densities, areas and energies on a grid.

From events to cells: ``lit_pixels`` (what each pixel of the detector has seen in a granule),
``coverage`` (how much of each cell a pixel covers), ``sums`` (what cells have seen in a step of
time) and ``products`` (what is made of that), on the grids of ``target``. Pure numbers.
"""
