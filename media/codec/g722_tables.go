package codec

// Tables of ITU-T G.722 (11/88), clauses 5.2 and 6.2. Numbers in brackets are
// the tables of the Recommendation.
var (
	// qmfEven are the taps H0, H2 … H22 of the quadrature mirror filters
	// (Table 11, scaled by 2^13). The filter is symmetric: H1, H3 … H23 are the
	// same in reverse.
	qmfEven = [12]int32{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11}

	// lowLevels are the decision levels of the 60 level quantizer (Table 14).
	lowLevels = [30]int32{
		0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650,
		714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
	}
	// lowOutputs4 and lowOutputs6 are the inverse quantizers of 4 and 6 bits by
	// code word (Tables 15 and 18).
	lowOutputs4 = [16]int32{
		0, -20456, -12896, -8968, -6288, -4240, -2584, -1200,
		20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
	}
	lowOutputs6 = [64]int32{
		-136, -136, -136, -136, -24808, -21904, -19008, -16704,
		-14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
		-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576,
		-3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
		24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192,
		10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
		4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032,
		1688, 1360, 1040, 728, 432, 136, -432, -136,
	}
	// lowSteps are the multipliers of the logarithmic scale factor by the 4 bit
	// code word (Tables 12 and 13, joined).
	lowSteps = [16]int32{
		-60, 3042, 1198, 538, 334, 172, 58, -30,
		3042, 1198, 538, 334, 172, 58, -30, -60,
	}
	// highOutputs and highSteps are the same of the higher band, which has 2 bits
	// (Tables 17 and 16).
	highOutputs = [4]int32{-7408, -1616, 7408, 1616}
	highSteps   = [4]int32{798, -214, 798, -214}

	// antilog is the table ILA … of the linear scale factor (Table 19), between
	// powers of two.
	antilog = [32]int32{
		2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
		2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
	}
)
