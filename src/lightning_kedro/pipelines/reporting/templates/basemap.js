"use strict";
// The basemap: land, lakes and borders as paths in degrees, drawn in plate carree.
const basemapOf = (packed, decode) => {
  const unpack = (layer, closed) => {
    const lengths = decode(layer.lengths, Uint16Array), points = decode(layer.points, Int16Array);
    const shapes = [];
    let at = 0;
    for (const length of lengths) {
      const fill = new Path2D(), line = new Path2D();
      let west = 999, east = -999, south = 99, north = -99, wasCut = true;
      for (let i = 0; i < length; i += 1, at += 2) {
        const x = points[at] * layer.unit, y = points[at + 1] * layer.unit;
        west = Math.min(west, x); east = Math.max(east, x); south = Math.min(south, y); north = Math.max(north, y);
        if (i === 0) fill.moveTo(x, y); else fill.lineTo(x, y);
        const cut = closed && (Math.abs(Math.abs(x) - 180) < 0.02); // sides that are only the map's edge
        if (i === 0 || (cut && wasCut)) line.moveTo(x, y); else line.lineTo(x, y);
        wasCut = cut;
      }
      shapes.push({ fill, line, west, east, south, north });
    }
    return shapes;
  };
  const layers = {
    land: unpack(packed.land, true), lakes: unpack(packed.lakes, true),
    states: unpack(packed.states, false), borders: unpack(packed.borders, false),
  };

  return {
    draw(context, { x, y, kx, ky, width, height, density }) {
      context.lineJoin = "round";
      const west = x - width / 2 / kx, east = x + width / 2 / kx;
      const south = y - height / 2 / ky, north = y + height / 2 / ky;
      const looks = [["land", "#171d25", "#6b7987", 1], ["lakes", "#0b0e13", "#3a4653", 0.7],
        ["states", null, "#2f3945", 0.7], ["borders", null, "#4f5c69", 0.9]];
      for (const [name, fill, line, weight] of looks) {
        context.strokeStyle = line; context.lineWidth = weight / ky;
        if (fill) context.fillStyle = fill;
        for (const turn of [-360, 0, 360, 720]) {
          if (-182 + turn > east || 192 + turn < west) continue; // land at 180 degrees is not cut
          context.setTransform(kx * density, 0, 0, -ky * density,
            (width / 2 + (turn - x) * kx) * density, (height / 2 + y * ky) * density);
          for (const shape of layers[name]) {
            if (shape.east + turn < west || shape.west + turn > east || shape.north < south || shape.south > north) continue;
            if (fill) context.fill(shape.fill);
            context.stroke(shape.line);
          }
        }
      }
    },
  };
};
