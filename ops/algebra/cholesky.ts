/** Cholesky: a symmetric positive matrix is a lower triangle times its transpose, with which linear systems are solved. */

/** The lower triangle L with L Lᵀ = a [n, n]. Throws where `a` is not positive; add to its diagonal then. */
export function cholesky(a: readonly Float64Array[]): Float64Array[] {
  const lower = a.map((row) => new Float64Array(row.length));
  for (let i = 0; i < a.length; i++)
    for (let j = 0; j <= i; j++) {
      let rest = a[i]![j]!;
      for (let k = 0; k < j; k++) rest -= lower[i]![k]! * lower[j]![k]!;
      if (i !== j) lower[i]![j] = rest / lower[j]![j]!;
      else if (rest > 0) lower[i]![i] = Math.sqrt(rest);
      else throw new RangeError(`cholesky: pivot ${i} is ${rest}; the matrix is not positive, add to its diagonal`);
    }
  return lower;
}

/** y with L y = b. */
export function solveLower(lower: readonly Float64Array[], b: ArrayLike<number>): Float64Array {
  const y = new Float64Array(b.length);
  for (let i = 0; i < y.length; i++) {
    let rest = b[i]!;
    for (let k = 0; k < i; k++) rest -= lower[i]![k]! * y[k]!;
    y[i] = rest / lower[i]![i]!;
  }
  return y;
}

/** x with L Lᵀ x = b. */
export function solve(lower: readonly Float64Array[], b: ArrayLike<number>): Float64Array {
  const x = solveLower(lower, b);
  for (let i = x.length - 1; i >= 0; i--) {
    let rest = x[i]!;
    for (let k = i + 1; k < x.length; k++) rest -= lower[k]![i]! * x[k]!;
    x[i] = rest / lower[i]![i]!;
  }
  return x;
}
