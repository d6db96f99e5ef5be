-- a table: as of the run
select date_trunc('hour', window_start) as hour, event_type, sum(events)::bigint as events
from {{ ref('metrics_by_type') }}
group by 1, 2
