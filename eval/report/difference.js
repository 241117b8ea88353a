"use strict";
// Which words of two texts are not in the other: those outside of a longest common subsequence.
const difference = (() => {
  const WORK = 4e6; // cells of the table, some 10 ms; longer texts are only compared from both ends

  return (first, second) => {
    let start = 0;
    while (start < Math.min(first.length, second.length) && first[start] === second[start]) start++;
    let end = 0;
    const most = Math.min(first.length, second.length) - start;
    while (end < most && first[first.length - 1 - end] === second[second.length - 1 - end]) end++;
    const [a, b] = [first, second].map((words) => words.slice(start, words.length - end));
    const marks = [first, second].map((words) => words.map((_, i) => i >= start && i < words.length - end));
    if (a.length * b.length > WORK) return marks;
    const width = b.length + 1;
    const longest = new Uint16Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i--) {
      for (let j = b.length - 1; j >= 0; j--) {
        longest[i * width + j] = a[i] === b[j]
          ? longest[(i + 1) * width + j + 1] + 1
          : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
      }
    }
    for (let i = 0, j = 0; i < a.length && j < b.length;) {
      if (a[i] === b[j]) marks[0][start + i++] = marks[1][start + j++] = false;
      else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) i++;
      else j++;
    }
    return marks;
  };
})();
