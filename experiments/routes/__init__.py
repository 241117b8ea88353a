"""A second policy, for the study of doses: problems of four to seven steps with several right routes and many slips.

The built-in model has one plan a problem and one slip a demonstration, so its naive pairs differ in one cell: step
control finds nothing there to control. This policy's solutions of one problem differ in route, wording and order of
operands, and every step may slip by itself.
"""
