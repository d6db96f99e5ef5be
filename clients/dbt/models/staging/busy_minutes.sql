-- a view over a view: each run makes both anew
select window_start, sum(events)::bigint as events
from {{ ref('metrics_by_type') }}
group by window_start
