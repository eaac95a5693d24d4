"""The workbook: the lesson with its gradients erased, and a grader that knows the usual mistakes.

blanks      which functions are blank, and the folder that a reader fills in
cases       what each of them is asked, drawn from a seed
updates     what is graded by its effect: credit, updates, a gradient's checker
asking      how a function is asked, and what it must leave alone
diagnosis   what sets an answer apart from the right one: a fault, a sign, a factor, a shape
verdict     right, or what is wrong, in words that were found by running it
grading     the reader's code, in a process of its own, against cases and lab/proof/faults.py
hints       the question, the equation before, the formula in words
formulas    an equation's formula for a terminal, and where the text has it
"""

from lab.practice.blanks import (
    BLANKS,
    CHAPTERS,
    COURSE,
    LADDER,
    MODULES,
    PAGE,
    TITLES,
    answer,
    asked,
    assignment,
    is_elsewhere,
    is_name,
    keep,
    kept,
    write_workbook,
)
from lab.practice.formulas import card, in_the_text
from lab.practice.grading import debug, grade, grade_table, line_of, stand_in
from lab.practice.hints import hint, holders
