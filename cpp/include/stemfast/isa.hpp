// Names the namespace that a copy of the stages lives in. The build sets STEMFAST_ISA to one name per
// instruction set; code that is only ever compiled once (the bindings) gets the default.
#pragma once

#if !defined(STEMFAST_ISA)
#define STEMFAST_ISA isa_plain
#endif
