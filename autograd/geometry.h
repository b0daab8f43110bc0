/* geometry.h - what the views share: a part of a tensor's memory, seen in another shape. */
#ifndef GR_GEOMETRY_H
#define GR_GEOMETRY_H
#include "autograd/tape.h"

typedef struct {
    int dim;
    gr_axis axis[GR_MAX_DIMS];
    int64_t offset; /* in elements, from element 0 of the viewed tensor */
} gr_geometry;

/* In shape: output 0 is a view of input 0. */
bool gr_make_view(gr_call *c, const gr_geometry *g);
/* A shape function for ops whose attributes are a gr_geometry. */
bool gr_geometry_shape(gr_call *c);
/* In backward: dx = dy in region g of a row-major dx, 0 elsewhere (region.c). */
bool gr_region_gradient(gr_call *c, const gr_geometry *g);

#endif
