"""Plans for the word problems of reasoning-gym's ``gsm_symbolic``, one table row a template.

A row lists moves as ``aim | name = expression | slip``, filled from the variables of the instance. Only
templates whose answer follows from whole numbers in two to four steps have a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.embedded.demonstrations.plan import Move

HABITUAL = frozenset([0, 3, 10, 16, 24, 33, 34, 39, 40, 57, 63, 72, 88, 96])
"""Templates at which the sloppy expression is the more common one in the demonstrations."""

TEMPLATES: Mapping[int, tuple[str, ...]] = {
    0: (
        "the minutes to peel | peel = {total_amount} // {peel_rate}",
        "the batches | batches = {total_amount} // {batch_size}",
        "the minutes to cook | cook = batches * {time_per_batch}",
        "both together | total = peel + cook | batches + cook",
    ),
    3: (
        "the people left | people = {initial_penpals} - {lost_penpals} | {initial_penpals}",
        "the pages a week | pages = people * {letters_per_week} * {pages_per_letter}",
        "the minutes | minutes = pages * {minutes_per_page}",
        "the hours | hours = minutes // 60",
    ),
    4: (
        "the number of {food}s | food = {num_jars} * {per_jar} | {num_jars} + {per_jar}",
        "the {container}s | pans = food // {per_pan}",
    ),
    6: (
        "the boys | boys = {n_girls} * {multiplier} | {n_girls} + {multiplier}",
        "all kids | kids = {n_girls} + boys",
    ),
    8: (
        "the parts | parts = {sugar_ratio} + {water_ratio}",
        "one part | one = {total_items} // parts",
        "the sugar | sugar = one * {sugar_ratio} | one * {water_ratio}",
    ),
    9: (
        "the money at first | money = {num_bills} * {bill_value}",
        "the {item1}s | first = {num_items1} * {price1}",
        "the {item2}s | second = {num_items2} * {price2}",
        "what is left | left = money - first - second | money - first",
    ),
    10: (
        "the age in {years} years | future = {age1} * {mult}",
        "the age now | now = future - {years} | future + {years}",
    ),
    12: (
        "the time for {game1}s | first = {time1} * {num1}",
        "the time for {game2}s | second = {time2} * {num2} | {time2} + {num2}",
        "the whole time | total = first + second",
    ),
    14: (
        "both days | both = {time1} + {time2} | {time1}",
        "the goal | goal = both * {multiplier}",
    ),
    16: (
        "the friends of {name2} | base = {charlie_friends} // {mult1} | {charlie_friends} - {mult1}",
        "the friends of {name3} | friends = base * {mult2}",
    ),
    20: (
        "the room | room = {capacity_per_tray} * {num_trays}",
        "the rest | rest = {total_items} - room | {total_items} - {capacity_per_tray}",
    ),
    23: (
        "the lost money | lost = {hours} * {hourly_rate}",
        "the gain | gain = lost - {fee} | lost + {fee}",
    ),
    24: (
        "the age at the second time | second = {relative_age} * {multiple} | {relative_age} + {multiple}",
        "the age at the first time | first = second - {orbit_period}",
    ),
    25: (
        "the calories left | left = {total_target} - {consumed} | {total_target}",
        "the servings | eat = left // {calories}",
        "the size of one | one = {size} // {servings}",
        "what to eat | total = eat * one",
    ),
    30: (
        "those who {hobby4} | second = {hobby2_count} * 2 | {hobby2_count} + 2",
        "the rest | rest = {total_students} - {hobby1_count} - {hobby2_count} - second",
    ),
    31: (
        "the {sibling1} | second = {first_person_slices} + {second_person_extra}",
        "the {sibling2} | third = second + {third_person_extra} | {first_person_slices} + {third_person_extra}",
        "all slices | total = {first_person_slices} + second + third",
    ),
    33: (
        "the work of {name1} | fast = {base_rate} * {multiplier}",
        "both a day | day = fast + {base_rate}",
        "the week | week = day * 7 | fast * 7",
    ),
    34: (
        "the twins | twins = {items_per_twin} * 2 | {items_per_twin}",
        "the friends | friends = {total_items} - twins - {unfound_items}",
    ),
    39: (
        "the boys | boys = {total_students} - {num_girls}",
        "those present | present = boys - {absent_boys} | boys - {absent_girls}",
    ),
    40: (
        "the extra {c2} | more = {n1} * {p} // 100",
        "the {c2} | second = {n1} + more | more",
        "the {c3} | third = {n1} + second",
        "all cards | total = {n1} + second + third",
    ),
    43: (
        "the {relation} | second = {first_amount} - {difference} | {first_amount} + {difference}",
        "both | both = {first_amount} + second",
    ),
    44: (
        "the first | first = {quantities[0]} * {prices[0]}",
        "the second | second = {quantities[1]} * {prices[1]}",
        "the third | third = {quantities[2]} * {prices[2]}",
        "all | total = first + second + third | first + second",
    ),
    48: (
        "the {item1} | first = {n1} * {price1}",
        "the {item2}s | second = {n2} * {price2} | {n2} + {price2}",
        "how much more | more = first - second",
    ),
    50: (
        "half the first | half = {puzzle1_pieces} // 2 | {puzzle1_pieces}",
        "all pieces | total = half + {puzzle2_pieces}",
    ),
    54: (
        "the time used | used = {library_time} + {station_time} | {station_time}",
        "the time left | left = {total_time} - used",
    ),
    56: (
        "those known | known = {n1} + {n2} | {n1}",
        "the rest | rest = {total} - known",
    ),
    57: (
        "the second group | second = {tennis_players} * 2 | {tennis_players} + 2",
        "the third group | third = {soccer_boys} + {soccer_girls}",
        "all | total = {tennis_players} + second + third",
    ),
    58: (
        "the volume | volume = {volume} * {num_containers} | {volume} + {num_containers}",
        "the calories | calories = volume * {calories}",
    ),
    59: (
        "the parts | parts = {total_distance} // {distance_per_interval} | {total_distance} - {distance_per_interval}",
        "the minutes | minutes = parts * {time_per_interval}",
    ),
    62: (
        "what {name2} eats | second = {slices_per_day} * {multiplier}",
        "both a day | day = {slices_per_day} + second | second",
        "the days | days = {num_slices} // day",
    ),
    63: (
        "the pay a day | day = {hours_per_day} * {hourly_rate}",
        "the week | week = day * {days_per_week} + {weekly_bonus} | day * {days_per_week}",
        "the month | month = week * 4",
    ),
    64: (
        "the first eggs | first = {eggs_per_day_first} * {days_first}",
        "the other eggs | second = {eggs_per_day_second} * {days_second}",
        "all eggs | eggs = first + second | second",
        "the dozens | dozens = eggs // 12",
    ),
    67: (
        "{day3} | third = {day1_amount} * {multiplier} | {day2_amount} * {multiplier}",
        "all | total = {day1_amount} + {day2_amount} + third",
    ),
    68: (
        "the growth | growth = 1 + {infection_rate} | {infection_rate}",
        "all people | people = {initial_infected} * growth ** {days}",
    ),
    71: (
        "the {item1} | first = {n1} * {p1}",
        "the {item2} | second = {n2} * {p2}",
        "the {item3} | third = {n3} * {p3}",
        "all | total = first + second + third | first + second",
    ),
    72: (
        "the {color2} | second = {n1} * {mult}",
        "the {color3} | third = {total} - {n1} - second | {total} - second",
    ),
    78: (
        "the other age | other = {age1} + {age_diff} | {age1} - {age_diff}",
        "the average | average = ({age1} + other) // 2",
    ),
    80: (
        "the {color1} | part = {light_color1_spools} + {dark_color1_spools} | {dark_color1_spools}",
        "the {color2} | other = {light_color2_spools} + {dark_color2_spools}",
        "the percent | percent = part * 100 // (part + other)",
    ),
    81: (
        "the days a month | days = {weeks_per_month} * {days_per_week}",
        "the month | month = days * {pay_per_day}",
        "the year | year = month * 12 | days * 12",
    ),
    82: (
        "those without | without = {num_emails} * {no_response_percent} // 100",
        "the rest | rest = {num_emails} - without",
        "all days | total = rest * {workdays} | without * {workdays}",
    ),
    83: (
        "the rest | rest = {total_fence} - {difference} | {total_fence} + {difference}",
        "the half | half = rest // 2",
    ),
    88: (
        "the seats left | left = {total_seats} - {graduate_seats} - {faculty_seats} | {total_seats} - {faculty_seats}",
        "each | each = left // {graduate_seats}",
    ),
    91: (
        "one harvest | harvest = {field_size} * {density} | {field_size} + {density}",
        "the harvests | times = 12 // {months_per_harvest}",
        "the year | year = harvest * times",
    ),
    95: (
        "the day | day = {daily_servings1} + {daily_servings2} + {daily_servings3}"
        " | {daily_servings1} + {daily_servings2}",
        "the {time_period} | total = day * {period_days}",
    ),
    96: (
        "one {animal2} | one = {n1} * 2 - {n2} | {n1} * 2",
        "all {animal2}s | second = one * {k2}",
        "all {animal1}s | first = {n1} * {k1}",
        "all | total = first + second",
    ),
}

_PERIOD_DAYS = {"week": 7, "month": 30}


def plan(metadata: Mapping[str, Any], habit: float, lapse: float) -> list[Move] | None:
    """Return the moves that solve an instance, or None for a template without a row.

    Args:
        metadata: ``template`` and ``variables`` of the instance.
        habit: probability of a slip in a template of `HABITUAL`.
        lapse: probability of a slip in the others.
    """
    template = metadata["template"]
    if template not in TEMPLATES:
        return None
    variables = dict(metadata["variables"])
    variables["period_days"] = _PERIOD_DAYS.get(variables.get("time_period", ""))
    moves = []
    for row in TEMPLATES[template]:
        aim, assignment, *slip = (part.strip().format(**variables) for part in row.split("|"))
        name, _, expression = assignment.partition(" = ")
        chance = habit if template in HABITUAL else lapse
        moves.append(Move(aim, name, expression, slip[0] if slip else None, chance))
    return moves
